"""One audit, from faces to verdict: the steps that Kedro's nodes run, and `faceleak.audit`, which runs them itself."""
