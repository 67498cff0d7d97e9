"""shopmate is a stranger to the gateway."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4] / "gateway" / "demo" / "shopmate"


def test_shopmate_imports_nothing_of_the_gateway() -> None:
    """It would prove nothing about the protocol if it knew more than what goes over the wire."""
    names = [
        name
        for module in ROOT.glob("*.py")
        for node in ast.walk(ast.parse(module.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    ]

    assert names
    wrong = [name for name in names if name.split(".")[0] in {"gateway", "scopes", "tests"}]
    assert not [name for name in wrong if not name.startswith("gateway.demo.shopmate")]
