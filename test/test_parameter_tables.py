import parameter_tables
import pytest

from bisenetformer_ros.ros.node.settings import SETTINGS


def test_the_document_of_the_node_has_a_place_for_the_table():
    assert "docs/node.md" in [str(path.relative_to(parameter_tables.ROOT)) for path in parameter_tables.documents()]


@pytest.mark.parametrize("document", parameter_tables.documents(), ids=lambda path: path.name)
def test_documents_have_the_table_of_the_declarations(document):
    """`make docs` writes it."""
    text = document.read_text(encoding="utf-8")
    assert text == parameter_tables.with_table(text)
    assert all(f"| `{setting.name}` |" in text for setting in SETTINGS)


def test_a_table_from_before_is_replaced_and_the_text_around_it_stays():
    old = "before\n<!-- parameters -->\n| old |\n<!-- /parameters -->\nafter\n"
    new = parameter_tables.with_table(old)
    assert new.startswith("before\n<!-- parameters -->\n| parameter | type |")
    assert new.endswith("|\n<!-- /parameters -->\nafter\n")
    assert "| old |" not in new
    assert parameter_tables.with_table(new) == new
