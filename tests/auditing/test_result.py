"""What an audit from Python shows: verdict, tables, figures, page."""

import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure

import faceleak


def test_public_names_are_there_and_others_are_not() -> None:
    assert faceleak.__all__ == ["Audit", "FaceleakError", "Faces", "audit", "load_backbone"]
    assert all(getattr(faceleak, name).__doc__ for name in faceleak.__all__)
    assert set(faceleak.__all__) <= set(dir(faceleak))
    with pytest.raises(AttributeError, match="no attribute 'audits'; what is public: Audit"):
        faceleak.audits  # noqa: B018


def test_the_verdict_is_the_gravest(result: faceleak.Audit) -> None:
    assert set(result.verdicts) == {"unseen_identity", "same_identity", "identity", "identity_other_images"}
    order = ["leaks", "cannot conclude", "no evidence"]
    gravest = min((reading.code for reading in result.verdicts.values()), key=order.index)
    assert result.verdict.code == gravest
    assert result.verdict in result.verdicts.values()
    assert repr(result) == f"<faceleak.Audit: {gravest}: {result.verdict.reason}>"


def test_the_table_holds_every_metric(result: faceleak.Audit) -> None:
    tree = result.metrics["undefended"]["membership"]
    assert len(result.attacks) == sum(map(len, tree.values()))
    row = result.attacks.set_index(["attack", "population"]).loc[("fused_shadow", "unseen_identity")]
    numbers = tree["fused_shadow"]["unseen_identity"]
    assert [row["auc"], row["auc_ci_low"], row["auc_ci_high"]] == [
        numbers["auc"],
        numbers["auc_ci_low"],
        numbers["auc_ci_high"],
    ]
    assert set(result.attacks["stage"]) == {"membership"}


def test_the_summary_is_what_the_terminal_shows(result: faceleak.Audit) -> None:
    lines = result.summary().splitlines()
    assert lines[0] == "Faces"
    assert "Membership inference: undefended" in lines
    assert max(map(len, lines)) <= 100
    assert f"unseen_identity: {result.verdicts['unseen_identity'].code}:" in result.summary()


def test_figures_are_figures(result: faceleak.Audit) -> None:
    figures = result.figures()
    assert list(figures) == ["roc", "bn_distances", "people"]
    assert all(isinstance(figure, Figure) for figure in figures.values())
    assert len(result.roc().axes) == 2  # a panel a population


def test_the_page_tells_the_verdict_and_needs_no_network(result: faceleak.Audit, tmp_path: Path) -> None:
    path = result.to_html(tmp_path / "audit.html")
    page = path.read_text()
    assert "kedro faceleak new NAME --faces PATH --weights PATH, and then kedro run" in page
    assert "<code>kedro run" not in page
    assert list(tmp_path.iterdir()) == [path]
    assert "faceleak.audit(…)" in page
    assert page.count("data:image/webp") == 3
    assert not re.search(r"(src|href)=\"https?:", page)
    assert "Nobody has written down" not in page
    assert "10 people never seen by the target" in page


def test_a_notebook_shows_verdict_and_attacks(result: faceleak.Audit) -> None:
    shown = result._repr_html_()
    assert shown.startswith(f"<p><b>{result.verdict.code}</b>: ")
    assert shown.count("<tr") == 1 + 2 * 11  # 5 attacks under 2 threat models and blind, 2 populations
    assert "TPR at 1 % FPR" in shown


def test_all_attacks_were_made_since_references_are_like_the_target(result: faceleak.Audit) -> None:
    assert result.left_out == ()
