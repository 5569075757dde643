"""Unchecked 1-D and 2-D array views for Numba kernels.

Numba's own slices are checked and clipped, reshapes are checked, and an array that is assigned to a
slice is copied first, in case the two overlap. That code takes long to compile.
"""

from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from microgym.jit import inline_kernel, kernel

__all__ = ["BLOCK", "any_nonzero", "borrowed", "copy_plane", "view1d", "view2d"]

BLOCK = 16
"""Pixels of a line that are skipped together where a mask marks none of them: 64 bytes of float32,
a line of the cache."""


def _piece(array: Any, dimensions: int) -> Any:
    """Signature and code of a view of so many dimensions, from a flat element on."""
    kind = types.Array(array.dtype, dimensions, "C", readonly=not array.mutable)

    def generate(context: Any, b: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        source = context.make_array(sig.args[0])(context, b, args[0])
        view = context.make_array(kind)(context, b)
        size = context.get_constant(
            types.intp, context.get_abi_sizeof(context.get_data_type(array.dtype))
        )
        shape = args[2:]
        strides = [size]
        for length in shape[:0:-1]:
            strides.insert(0, b.mul(strides[0], length))
        populate_array(
            view,
            data=b.gep(source.data, [args[1]]),
            shape=shape,
            strides=strides,
            itemsize=size,
            meminfo=None,
        )
        return view._getvalue()

    return kind(array, *(types.intp,) * (1 + dimensions)), generate


def _view1d(typing: Any, array: Any, start: Any, length: Any) -> Any:
    """`length` elements of a C-contiguous array from flat element `start` on, as one dimension.

    For kernels. Nothing is checked: the elements must exist, and the array must outlive the view.
    """
    return _piece(array, 1)


def _view2d(typing: Any, array: Any, start: Any, rows: Any, columns: Any) -> Any:
    """`rows` of `columns` elements of a C-contiguous array, as `view1d`, but two dimensions."""
    return _piece(array, 2)


def _lent(context: Any, b: ir.IRBuilder, kind: Any, value: ir.Value) -> ir.Value:
    """Code of `borrowed`, for tuples of tuples."""
    if isinstance(kind, types.Array):
        array = context.make_array(kind)(context, b, value)
        array.meminfo = ir.Constant(array.meminfo.type, None)
        return array._getvalue()
    if isinstance(kind, types.BaseTuple):
        parts = enumerate(cast("Any", kind).types)
        return context.make_tuple(
            b, kind, [_lent(context, b, one, b.extract_value(value, i)) for i, one in parts]
        )
    return value


def _borrowed(typing: Any, value: Any) -> Any:
    """The same arrays, or tuple of arrays, without counting of references.

    For kernels that hand them on: counts of a whole state take a microsecond a call. The arrays
    must outlive the result, as arguments of the outermost kernel do.
    """

    def generate(context: Any, b: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return _lent(context, b, sig.args[0], args[0])

    return value(value), generate


borrowed: Any = intrinsic(_borrowed)
view1d: Any = intrinsic(_view1d)
view2d: Any = intrinsic(_view2d)


@kernel
def copy_plane(source, out):
    """Copy an array of two dimensions into another that does not overlap it."""
    for i in range(source.shape[0]):
        for j in range(source.shape[1]):
            out[i, j] = source[i, j]


@inline_kernel
def any_nonzero(mask):
    """True if any element of a part of a mask is not zero."""
    some = 0
    for j in range(mask.size):
        some |= mask[j]
    return some != 0
