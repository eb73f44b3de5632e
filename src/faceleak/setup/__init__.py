"""An environment for a backbone and faces of one's own: what `kedro faceleak new` looks at, proposes and writes."""
