namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void LinearForward(TensorView x, TensorView weight, TensorView bias, TensorView y)
    {
        int inputs = weight.Shape.Channels, outputs = (int)(weight.Count / inputs), rows = checked((int)(x.Count / inputs));
        Multiply(Rows(x, rows, inputs), Rows(weight, outputs, inputs), Matrix(y, rows, outputs, bias), rows, outputs, inputs);
    }

    /// <inheritdoc/>
    public void LinearInputGrad(TensorView dy, TensorView weight, TensorView dx, bool accumulate)
    {
        int inputs = weight.Shape.Channels, outputs = (int)(weight.Count / inputs), rows = checked((int)(dx.Count / inputs));
        Multiply(Rows(dy, rows, outputs), Columns(weight, inputs, outputs), Matrix(dx, rows, inputs, default, accumulate), rows, inputs, outputs);
    }

    /// <inheritdoc/>
    public void LinearWeightGrad(TensorView x, TensorView dy, TensorView dw, bool accumulate)
    {
        int inputs = dw.Shape.Channels, outputs = (int)(dw.Count / inputs), rows = checked((int)(x.Count / inputs));
        Multiply(Columns(dy, outputs, rows), Columns(x, inputs, rows), Matrix(dw, outputs, inputs, default, accumulate), outputs, inputs, rows);
    }

    /// <inheritdoc/>
    public void LinearBiasGrad(TensorView dy, TensorView db, bool accumulate) => SumRows(dy, db, accumulate);

    private RowsOperand Rows(TensorView values, int count, int depth) =>
        new() { Values = View(values), Count = count, Depth = depth, Vectors = InVectors(depth, values) };

    private ColumnsOperand Columns(TensorView values, int count, int depth) =>
        new() { Values = View(values), Count = count, Depth = depth, Vectors = InVectors(count, values) };

    private MatrixResult Matrix(TensorView values, int rows, int columns, TensorView bias, bool accumulate = false) => new()
    {
        Values = View(values),
        Bias = View(bias),
        Rows = rows,
        Columns = columns,
        HasBias = bias.IsEmpty ? 0 : 1,
        Accumulate = accumulate ? 1 : 0,
        Vectors = InVectors(columns, values, bias),
    };
}
