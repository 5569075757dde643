"""Pieces of arrays inside compiled loops, at no cost.

Numba counts the references to every slice, with an atomic instruction at each end of its life and
calls between: more than a row of sixty-four numbers costs to add up.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

__all__ = ["line"]


def _line(typing: Any, array: Any, start: Any, length: Any) -> Any:
    """`length` elements of a C-contiguous array from flat element `start` on, as one dimension.

    For kernels. Nothing is counted and nothing is checked: the elements must exist, and the array
    must outlive the view, which therefore must be neither returned nor stored.
    """
    kind = types.Array(array.dtype, 1, "C", readonly=not array.mutable)

    def generate(context: Any, b: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        source = context.make_array(sig.args[0])(context, b, args[0])
        view = context.make_array(kind)(context, b)
        size = context.get_constant(
            types.intp, context.get_abi_sizeof(context.get_data_type(array.dtype))
        )
        populate_array(
            view,
            data=b.gep(source.data, [args[1]]),
            shape=[args[2]],
            strides=[size],
            itemsize=size,
            meminfo=None,
        )
        return view._getvalue()

    return kind(array, types.intp, types.intp), generate


line: Any = intrinsic(_line)
