using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void PairForward(PairFunction function, TensorView a, TensorView b, TensorView y)
    {
        switch (function)
        {
            case PairFunction.Add: MapPairs(default(PairAdd), a, b, y, y, accumulate: false); break;
            case PairFunction.Subtract: MapPairs(default(PairSubtract), a, b, y, y, accumulate: false); break;
            case PairFunction.Multiply: MapPairs(default(PairMultiply), a, b, y, y, accumulate: false); break;
            case PairFunction.Divide: MapPairs(default(PairDivide), a, b, y, y, accumulate: false); break;
            case PairFunction.Max: MapPairs(default(PairMax), a, b, y, y, accumulate: false); break;
            default: MapPairs(default(PairMin), a, b, y, y, accumulate: false); break;
        }
    }

    /// <inheritdoc/>
    public void PairBackward(PairFunction function, bool second, TensorView a, TensorView b, TensorView dy, TensorView d, bool accumulate)
    {
        switch (function)
        {
            case PairFunction.Multiply when second: MapPairs(default(PairMultiplySecond), a, b, dy, d, accumulate); break;
            case PairFunction.Multiply: MapPairs(default(PairMultiplyFirst), a, b, dy, d, accumulate); break;
            case PairFunction.Divide when second: MapPairs(default(PairDivideSecond), a, b, dy, d, accumulate); break;
            case PairFunction.Divide: MapPairs(default(PairDivideFirst), a, b, dy, d, accumulate); break;
            case PairFunction.Max when second: MapPairs(default(PairWhereNotAbove), a, b, dy, d, accumulate); break;
            case PairFunction.Max: MapPairs(default(PairWhereAbove), a, b, dy, d, accumulate); break;
            case PairFunction.Min when second: MapPairs(default(PairWhereNotBelow), a, b, dy, d, accumulate); break;
            case PairFunction.Min: MapPairs(default(PairWhereBelow), a, b, dy, d, accumulate); break;
            default: MapPairs(default(PairNegated), a, b, dy, d, accumulate); break;
        }
    }

    private void MapPairs<TFormula>(TFormula formula, TensorView a, TensorView b, TensorView dy, TensorView y, bool accumulate)
        where TFormula : unmanaged, IPairFormula =>
        LaunchEach(new PairKernel<TFormula>
        {
            Formula = formula, Walk = PairWalk.Of(a.Shape, b.Shape, y.Shape), A = View(a), B = View(b), Dy = View(dy), Y = View(y), Accumulate = accumulate ? 1 : 0,
        }, y.Count);
}

/// <summary>One element of the result.</summary>
internal struct PairKernel<TFormula> : IGpuKernel
    where TFormula : unmanaged, IPairFormula
{
    public TFormula Formula;
    public PairWalk Walk;
    public ArrayView<float> A, B, Dy, Y;
    public int Accumulate;

    public readonly void Run()
    {
        long at = (long)Grid.IdxX * Group.DimX + Group.IdxX;
        if (at >= Y.Length) return;
        long line = at / Walk.Length, i3 = at - line * Walk.Length, upper = line / Walk.D2, i2 = line - upper * Walk.D2, i0 = upper / Walk.D1, i1 = upper - i0 * Walk.D1;
        var a = new LanesScalar(A[i0 * Walk.A0 + i1 * Walk.A1 + i2 * Walk.A2 + i3 * Walk.A3]);
        var b = new LanesScalar(B[i0 * Walk.B0 + i1 * Walk.B1 + i2 * Walk.B2 + i3 * Walk.B3]);
        float value = Formula.Invoke(a, b, new LanesScalar(Dy[at])).Value;
        Y[at] = Accumulate != 0 ? Y[at] + value : value;
    }
}
