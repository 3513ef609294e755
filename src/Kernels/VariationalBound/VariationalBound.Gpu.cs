using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void VariationalBoundForward(
        TensorView prediction, TensorView z, TensorView x0, TensorView rows, TensorView rowWeight, TensorView rowLoss, TensorView loss)
    {
        Sum(Bound(prediction, z, x0, rows), x0.Shape.Batch, x0.Shape.RowCount, x0.Shape.RowCount * Math.Log(2), false, rowLoss);
        MeanOfRows(View(rowLoss), rowWeight, loss);
    }

    /// <inheritdoc/>
    public void VariationalBoundBackward(
        TensorView prediction, TensorView z, TensorView x0, TensorView rows, TensorView rowWeight, TensorView dloss, TensorView dprediction, bool accumulate)
    {
        var kernel = new VariationalBoundGradientKernel
        {
            Bound = Bound(prediction, z, x0, rows),
            RowWeight = View(rowWeight),
            Dloss = View(dloss),
            Dprediction = View(dprediction),
            HasRowWeight = rowWeight.IsEmpty ? 0 : 1,
            Accumulate = accumulate ? 1 : 0,
            Factor = (float)(1 / (x0.Count * Math.Log(2))),
        };
        LaunchEach(kernel, x0.Count);
    }

    private VariationalBoundTerm Bound(TensorView prediction, TensorView z, TensorView x0, TensorView rows) => new()
    {
        Prediction = View(prediction),
        Z = View(z),
        X0 = View(x0),
        Rows = View(rows),
        Channels = x0.Shape.Channels,
        Row = x0.Shape.RowCount,
    };
}

/// <summary>The elements of the variational bound.</summary>
internal struct VariationalBoundTerm : ISumTerm
{
    public ArrayView<float> Prediction, Z, X0, Rows;
    public int Channels;

    /// <summary>Elements of a row of x0.</summary>
    public long Row;

    public readonly double At(long index)
    {
        long at = GuessAt(index);
        return Element(index / Row).Nats<GpuScalarMath>(Prediction[at], Prediction[at + Channels], Z[index], X0[index]);
    }

    /// <summary>Derivative of an element by nu.</summary>
    public readonly float Gradient(long index)
    {
        long at = GuessAt(index);
        return Element(index / Row).Gradient<GpuScalarMath>(Prediction[at], Prediction[at + Channels], Z[index], X0[index]);
    }

    /// <summary>Where the prediction has the g of an element; its nu stands <see cref="Channels"/> further.</summary>
    public readonly long GuessAt(long index) => index + index / Channels * Channels;

    private readonly VariationalBoundElement Element(long n)
    {
        long at = n * VariationalBoundElement.RowLength;
        return new()
        {
            XFromZ = Rows[at], XFromG = Rows[at + 1], CoefX0 = Rows[at + 2], LogVarMin = Rows[at + 3], LogVarMax = Rows[at + 4], Last = Rows[at + 5],
        };
    }
}

/// <summary>The gradient of the two numbers of an element.</summary>
internal struct VariationalBoundGradientKernel : IGpuKernel
{
    public VariationalBoundTerm Bound;
    public ArrayView<float> RowWeight, Dloss, Dprediction;
    public int HasRowWeight, Accumulate;

    /// <summary>1 / (elements of x0 times ln 2).</summary>
    public float Factor;

    public readonly void Run()
    {
        long i = (long)Grid.IdxX * Group.DimX + Group.IdxX;
        if (i >= Bound.X0.Length) return;
        float scale = Factor * Dloss[0];
        if (HasRowWeight != 0) scale *= RowWeight[i / Bound.Row];
        float value = scale * Bound.Gradient(i);
        long at = Bound.GuessAt(i);
        if (Accumulate == 0) Dprediction[at] = 0f;
        Dprediction[at + Bound.Channels] = Accumulate != 0 ? Dprediction[at + Bound.Channels] + value : value;
    }
}

/// <summary>The functions of GPU threads.</summary>
internal struct GpuScalarMath : IScalarMath
{
    public static float Exp(float x) => LanesMath.Exp(new LanesScalar(x)).Value;

    public static float Log(float x) => ScalarMath.Log(x);
}
