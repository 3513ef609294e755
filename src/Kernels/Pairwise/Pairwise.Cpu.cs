using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.PairForward(PairFunction function, TensorView a, TensorView b, TensorView y)
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
    void IKernels.PairBackward(PairFunction function, bool second, TensorView a, TensorView b, TensorView dy, TensorView d, bool accumulate)
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

    /// <summary>y = f(a, b, dy), or y += that.</summary>
    private void MapPairs<TFormula>(TFormula formula, TensorView a, TensorView b, TensorView dy, TensorView y, bool accumulate)
        where TFormula : unmanaged, IPairFormula
    {
        var job = new PairJob<TFormula>(formula, PairWalk.Of(a.Shape, b.Shape, y.Shape), a.Pointer, b.Pointer, dy.Pointer, y.Pointer, accumulate);
        Pool.Run(ref job, job.Items);
    }

    /// <summary>A few lines, or a part of a long one.</summary>
    private readonly struct PairJob<TFormula>(TFormula formula, PairWalk walk, float* a, float* b, float* dy, float* y, bool accumulate) : IWorkerJob
        where TFormula : unmanaged, IPairFormula
    {
        public int Items => walk.Length >= ChunkLength
            ? checked((int)(Lines * Chunks(walk.Length)))
            : checked((int)((Lines + LinesPerItem - 1) / LinesPerItem));

        private long Lines => (long)walk.D0 * walk.D1 * walk.D2;

        private long LinesPerItem => ChunkLength / walk.Length;

        public void Execute(int item, int worker)
        {
            if (Avx512F.IsSupported) Run<Lanes512>(item);
            else if (Fma.IsSupported && Avx2.IsSupported) Run<Lanes256>(item);
            else Run<Lanes128>(item);
        }

        private void Run<V>(int item)
            where V : unmanaged, ILanes<V>
        {
            if (walk.Length >= ChunkLength)
            {
                int chunks = Chunks(walk.Length), start = item % chunks * ChunkLength;
                Line<V>(item / chunks, start, Math.Min(ChunkLength, walk.Length - start));
                return;
            }
            for (long line = item * LinesPerItem; line < Math.Min(Lines, (item + 1L) * LinesPerItem); line++) Line<V>(line, 0, walk.Length);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Line<V>(long line, int start, int length)
            where V : unmanaged, ILanes<V>
        {
            nint i2 = (nint)(line % walk.D2), outer = (nint)(line / walk.D2), i1 = outer % walk.D1, i0 = outer / walk.D1, to = (nint)line * walk.Length + start;
            float* left = a + i0 * walk.A0 + i1 * walk.A1 + i2 * walk.A2 + start * walk.A3, right = b + i0 * walk.B0 + i1 * walk.B1 + i2 * walk.B2 + start * walk.B3;
            for (int i = 0; i < length; i += V.Count)
            {
                int count = Math.Min(V.Count, length - i);
                V first = walk.A3 == 0 ? V.Broadcast(*left) : LoadUpTo<V>(left + i, count), second = walk.B3 == 0 ? V.Broadcast(*right) : LoadUpTo<V>(right + i, count);
                V value = formula.Invoke(first, second, LoadUpTo<V>(dy + to + i, count));
                StoreUpTo(y + to + i, accumulate ? LoadUpTo<V>(y + to + i, count) + value : value, count);
            }
        }
    }
}
