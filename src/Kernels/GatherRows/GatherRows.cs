namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>y[r, e] = x[sourceRow[r], e], bit by bit: rows of the doubled batch from those they share. sourceRow holds int32 bits, one per row of y.</summary>
    /// <exception cref="ArgumentException">A source row is out of range; on a device whose memory the host does not see, the row becomes NaN instead.</exception>
    internal void GatherRows(TensorView x, TensorView sourceRow, TensorView y);

    /// <summary>
    /// dx[n, e] = sum over the r with sourceRow[r] = n of dy[r, e], taken in ascending r; 0 for a row that was not gathered. sourceRow holds int32
    /// bits, one per row of dy.
    /// </summary>
    /// <exception cref="ArgumentException">A source row is out of range; on a device whose memory the host does not see, that row of dy is left out instead.</exception>
    internal void GatherRowsBackward(TensorView dy, TensorView sourceRow, TensorView dx, bool accumulate);
}
