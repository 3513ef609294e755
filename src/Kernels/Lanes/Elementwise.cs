using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

/// <summary>A formula of one input, written once for every vector width. Parameters are fields of the struct.</summary>
internal interface IUnaryFormula
{
    V Invoke<V>(V x)
        where V : unmanaged, ILanes<V>;
}

/// <summary>A formula of two inputs.</summary>
internal interface IBinaryFormula
{
    V Invoke<V>(V a, V b)
        where V : unmanaged, ILanes<V>;
}

/// <summary>The drivers for element-wise ops: chunks of a fixed size over the workers, vectors inside.</summary>
public sealed unsafe partial class CpuKernels
{
    // 64 KiB of floats: two or three such chunks stay in L2, and a chunk outweighs its handoff.
    private const int ChunkLength = 16384;

    /// <summary>y = f(x), or y += f(x). y may be x.</summary>
    private void Map<TFormula>(TFormula formula, TensorView x, TensorView y, bool accumulate = false)
        where TFormula : unmanaged, IUnaryFormula
    {
        var job = new UnaryJob<TFormula>(formula, x.Pointer, y.Pointer, y.Count, accumulate);
        Pool.Run(ref job, Chunks(y.Count));
    }

    /// <summary>y = f(a, b), or y += f(a, b). y may be a or b.</summary>
    private void Map<TFormula>(TFormula formula, TensorView a, TensorView b, TensorView y, bool accumulate = false)
        where TFormula : unmanaged, IBinaryFormula
    {
        var job = new BinaryJob<TFormula>(formula, a.Pointer, b.Pointer, y.Pointer, y.Count, accumulate);
        Pool.Run(ref job, Chunks(y.Count));
    }

    private static int Chunks(long count) => checked((int)((count + ChunkLength - 1) / ChunkLength));

    private readonly struct UnaryJob<TFormula>(TFormula formula, float* x, float* y, long count, bool accumulate) : IWorkerJob
        where TFormula : unmanaged, IUnaryFormula
    {
        public void Execute(int item, int worker)
        {
            nint start = (nint)item * ChunkLength, length = (nint)Math.Min(ChunkLength, count - start);
            if (Avx512F.IsSupported) Run<Lanes512>(x + start, y + start, length);
            else if (Fma.IsSupported && Avx2.IsSupported) Run<Lanes256>(x + start, y + start, length);
            else Run<Lanes128>(x + start, y + start, length);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Run<V>(float* from, float* to, nint length)
            where V : unmanaged, ILanes<V>
        {
            nint i = 0;
            for (; i <= length - V.Count; i += V.Count)
            {
                V value = formula.Invoke(V.Load(from + i));
                V.Store(to + i, accumulate ? V.Load(to + i) + value : value);
            }
            int rest = (int)(length - i);
            if (rest == 0) return;
            V tail = formula.Invoke(V.LoadPartial(from + i, rest));
            V.StorePartial(to + i, accumulate ? V.LoadPartial(to + i, rest) + tail : tail, rest);
        }
    }

    private readonly struct BinaryJob<TFormula>(TFormula formula, float* a, float* b, float* y, long count, bool accumulate) : IWorkerJob
        where TFormula : unmanaged, IBinaryFormula
    {
        public void Execute(int item, int worker)
        {
            nint start = (nint)item * ChunkLength, length = (nint)Math.Min(ChunkLength, count - start);
            if (Avx512F.IsSupported) Run<Lanes512>(a + start, b + start, y + start, length);
            else if (Fma.IsSupported && Avx2.IsSupported) Run<Lanes256>(a + start, b + start, y + start, length);
            else Run<Lanes128>(a + start, b + start, y + start, length);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Run<V>(float* left, float* right, float* to, nint length)
            where V : unmanaged, ILanes<V>
        {
            nint i = 0;
            for (; i <= length - V.Count; i += V.Count)
            {
                V value = formula.Invoke(V.Load(left + i), V.Load(right + i));
                V.Store(to + i, accumulate ? V.Load(to + i) + value : value);
            }
            int rest = (int)(length - i);
            if (rest == 0) return;
            V tail = formula.Invoke(V.LoadPartial(left + i, rest), V.LoadPartial(right + i, rest));
            V.StorePartial(to + i, accumulate ? V.LoadPartial(to + i, rest) + tail : tail, rest);
        }
    }
}
