"""Compiled validation says yes to what DRF says yes to, with the same values, and never says anything else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from ledger_project.http.compiled import NotPlain, compile_serializer
from transfers.serializers.batches import BatchBody, BatchItemBody
from transfers.serializers.holds import HoldBody
from transfers.serializers.reversals import ReverseBody
from transfers.serializers.transfers import TransferBody

BODIES = [TransferBody, BatchItemBody, HoldBody, ReverseBody, BatchBody]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 10**31),
    st.floats(allow_nan=False),
    st.text(max_size=4),
    st.sampled_from(["", "USD", "x" * 33, "x" * 256, "nul\x00", "naïve", "0199c0de-0000-7000-8000-000000000000", "12.50", "\ud800"]),
    st.lists(st.one_of(st.none(), st.dictionaries(st.text(max_size=2), st.integers(), max_size=2)), max_size=3),
    st.dictionaries(st.text(max_size=2), st.one_of(st.none(), st.text(max_size=3)), max_size=2),
)
NAMES = sorted({str(name) for body in BODIES for name in body().fields})


@pytest.mark.parametrize("serializer_class", BODIES)
@given(body=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6))
def test_compiled_validation_agrees_with_drf(serializer_class: type[serializers.Serializer[Any]], body: dict[str, Any]) -> None:
    serializer = serializer_class()
    run = compile_serializer(serializer)
    assert run is not None
    body = {name: value for name, value in body.items() if name in serializer.fields}
    try:
        values = run(body)
    except NotPlain:
        return
    try:
        assert values == dict(serializer.run_validation(body))
    except ValidationError as error:
        raise AssertionError(f"compiled validation took what DRF refuses: {error}") from None


def test_a_usual_transfer_is_plain() -> None:
    run = compile_serializer(TransferBody())
    assert run is not None
    body = {"from_merchant": "a", "to_merchant": "b", "currency": "USD", "amount": "1.00", "metadata": {"order": 7}}
    assert run(body) == {**body, "memo": None, "external_reference": None}


def test_a_serializer_with_rules_of_its_own_is_left_to_drf() -> None:
    class Ruled(serializers.Serializer[Any]):
        name = serializers.CharField()

        def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
            return attrs

    class Renamed(serializers.Serializer[Any]):
        name = serializers.CharField(source="title")

    assert compile_serializer(Ruled()) is None
    assert compile_serializer(Renamed()) is None
