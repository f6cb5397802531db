"""
The mutation operators of mutation.py: the telling ones of cosmic-ray, and two of ours.

This code computes in place, with the functions of NumPy, which cosmic-ray does not change.
"""

from __future__ import annotations

from collections.abc import Iterator

from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator
from parso.python.tree import Keyword
from parso.python.tree import Name
from parso.tree import NodeOrLeaf

# What cosmic-ray has and is left out: it only makes code that cannot run (1.0 << 2.0), or
# compares identities of numbers; such mutants die whatever the tests are, and flatter the score.
BINARY = ('Add_Sub', 'Sub_Add', 'Mul_Div', 'Div_Mul', 'Mul_Add', 'Pow_Mul', 'Mod_Mul',
          'BitAnd_BitOr', 'BitOr_BitAnd')
COMPARISON = ('Lt_LtE', 'Lt_GtE', 'LtE_Lt', 'LtE_Gt', 'Gt_GtE', 'Gt_LtE', 'GtE_Gt', 'GtE_Lt',
              'Eq_NotEq', 'NotEq_Eq', 'Is_IsNot', 'IsNot_Is')
OTHERS = ('AddNot', 'NumberReplacer', 'ReplaceAndWithOr', 'ReplaceBreakWithContinue',
          'ReplaceContinueWithBreak', 'ReplaceFalseWithTrue', 'ReplaceOrWithAnd',
          'ReplaceTrueWithFalse', 'ReplaceUnaryOperator_Delete_Not',
          'ReplaceUnaryOperator_Delete_USub', 'ZeroIterationForLoop')
SWAPS = {'abs': 'positive', 'add': 'subtract', 'all': 'any', 'any': 'all', 'ceil': 'floor',
         'divide': 'multiply', 'floor': 'ceil', 'greater_equal': 'greater',
         'less_equal': 'less', 'max': 'min', 'maximum': 'minimum', 'min': 'max',
         'minimum': 'maximum', 'multiply': 'divide', 'negative': 'positive', 'sqrt': 'square',
         'subtract': 'add', 'zeros': 'ones', 'zeros_like': 'ones_like'}


class SwapFunction(Operator):
    """Call another function of NumPy, of an array, or the other one of min and max."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[tuple]:
        if isinstance(node, Name) and node.value in SWAPS and (
                node.get_previous_leaf().value == '.' or node.value in ('max', 'min')):
            yield node.start_pos, node.end_pos

    def mutate(self, node: NodeOrLeaf, index: int) -> NodeOrLeaf:
        node.value = SWAPS[node.value]
        return node

    @classmethod
    def examples(cls) -> tuple:
        return ()


class DropStatement(Operator):
    """Leave out a call, a raise, or an assignment to what is there already."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[tuple]:
        if node.type != 'simple_stmt':
            return
        first, function = node.children[0], node.search_ancestor('funcdef')
        gone = first.type in ('atom_expr', 'raise_stmt')
        if first.type == 'expr_stmt' and first.children[1].type != 'annassign':
            # What __init__ makes must be there, and so must a new name: code cannot run without.
            sets = first.children[0].type == 'atom_expr' and (
                function is not None and function.name.value != '__init__')
            gone = sets or first.children[1].value != '='
        if gone:
            yield node.start_pos, first.end_pos

    def mutate(self, node: NodeOrLeaf, index: int) -> NodeOrLeaf:
        prefix = node.get_first_leaf().prefix
        node.children[0] = Keyword('pass', node.start_pos, prefix)
        return node

    @classmethod
    def examples(cls) -> tuple:
        return ()


def operators() -> dict[str, Operator]:
    """Make every operator, by name."""
    names = [f'ReplaceBinaryOperator_{name}' for name in BINARY]
    names += [f'ReplaceComparisonOperator_{name}' for name in COMPARISON]
    made = {name: get_operator(f'core/{name}')() for name in (*names, *OTHERS)}
    return {**made, 'SwapFunction': SwapFunction(), 'DropStatement': DropStatement()}


def annotates(node: NodeOrLeaf) -> bool:
    """Say whether a node is part of an annotation, which nothing evaluates."""
    while node.parent is not None:
        node, below = node.parent, node
        if node.type == 'annassign' and below is node.children[1]:
            return True
        if node.type == 'tfpdef' or (node.type == 'funcdef' and below is node.annotation):
            return True
    return False
