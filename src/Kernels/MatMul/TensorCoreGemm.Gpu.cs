using ILGPU;

namespace NativeDiffusion.Kernels;

/// <summary>
/// The product of <see cref="GemmKernel{TLeft, TRight, TResult}"/> on tensor cores, with rounded operands: the same tiles of 128 x 64 for 128 threads,
/// 64 x 32 for each of four warps, over steps of 16 words of k (of one or two values) that are held twice in shared memory.
/// </summary>
internal struct TensorCoreGemmKernel<TLeft, TRight, TResult, TFormat> : IGpuKernel
    where TLeft : struct, IGemmOperand
    where TRight : struct, IGemmOperand
    where TResult : struct, IGemmResult
    where TFormat : struct, IMatrixFormat
{
    public TLeft Left;
    public TRight Right;
    public TResult Result;
    public int Tiles, SliceLength, Depth;

    private const int WarpRows = 64, WarpColumns = 32;
    private const int LeftBuffer = TensorCoreStage.Words * (Gemm.TileRows + 4), RightBuffer = TensorCoreStage.Words * (Gemm.TileColumns + 4);

    public static int Threads => Gemm.Threads;

    public readonly void Run()
    {
        var left = SharedMemory.Allocate<uint>(2 * LeftBuffer);
        var right = SharedMemory.Allocate<uint>(2 * RightBuffer);
        int slice = Grid.IdxX / Tiles, m0 = (Grid.IdxX - slice * Tiles) * Gemm.TileRows, n0 = Grid.IdxY * Gemm.TileColumns;
        int first = slice * SliceLength, last = IntrinsicMath.Min(Depth, first + SliceLength), step = TensorCoreStage.Words * TFormat.PerWord;
        int warp = Group.IdxX / 32, row = warp / 2 * WarpRows, column = warp % 2 * WarpColumns;
        var lane = TensorCoreLane.Of(Group.IdxX % 32);
        TensorCoreSums sums0 = default, sums1 = default, sums2 = default, sums3 = default;
        var places = GemmPlaces.Of(Left, Right, m0, n0);
        var next = default(TensorCoreStep);
        Fetch(ref next, places, first);
        Put(next, left, right, 0);
        Group.Barrier();
        int buffer = 0;
        for (int k = first; k < last; k += step)
        {
            bool more = k + step < last;
            if (more) Fetch(ref next, places, k + step);
            var rows = left.SubView(buffer * LeftBuffer, LeftBuffer);
            var columns = TensorCoreStage.Columns<TRight>(right.SubView(buffer * RightBuffer, RightBuffer), Gemm.TileColumns, column, lane);
            sums0.Add<TFormat>(TensorCoreStage.Rows<TLeft>(rows, Gemm.TileRows, row, lane), columns);
            sums1.Add<TFormat>(TensorCoreStage.Rows<TLeft>(rows, Gemm.TileRows, row + 16, lane), columns);
            sums2.Add<TFormat>(TensorCoreStage.Rows<TLeft>(rows, Gemm.TileRows, row + 32, lane), columns);
            sums3.Add<TFormat>(TensorCoreStage.Rows<TLeft>(rows, Gemm.TileRows, row + 48, lane), columns);
            buffer = 1 - buffer;
            if (more) Put(next, left, right, buffer);
            Group.Barrier();
        }
        int m = m0 + row, n = n0 + column + 4 * lane.Word;
        Store(slice, m, n, lane, sums0);
        Store(slice, m + 16, n, lane, sums1);
        Store(slice, m + 32, n, lane, sums2);
        Store(slice, m + 48, n, lane, sums3);
    }

    private readonly void Store(int slice, int m, int n, TensorCoreLane lane, TensorCoreSums sums)
    {
        Result.Store(slice, m + lane.Low, n, lane.LowRow(sums.C0, sums.C1));
        Result.Store(slice, m + lane.High, n, lane.HighRow(sums.C0, sums.C1));
        Result.Store(slice, m + lane.Low, n + 16, lane.LowRow(sums.C2, sums.C3));
        Result.Store(slice, m + lane.High, n + 16, lane.HighRow(sums.C2, sums.C3));
    }

    private readonly void Fetch(ref TensorCoreStep step, in GemmPlaces places, int k)
    {
        var l = TensorCoreStage.AtK<TLeft, TFormat>(Left, k, Gemm.TileRows, 0);
        step.L0 = TensorCoreStage.Fetch<TLeft, TFormat>(Left, places.L0, l);
        step.L1 = TensorCoreStage.Fetch<TLeft, TFormat>(Left, places.L1, TLeft.AlongK != 0 ? l : TensorCoreStage.AtK<TLeft, TFormat>(Left, k, Gemm.TileRows, 1));
        step.L2 = TensorCoreStage.Fetch<TLeft, TFormat>(Left, places.L2, TLeft.AlongK != 0 ? l : TensorCoreStage.AtK<TLeft, TFormat>(Left, k, Gemm.TileRows, 2));
        step.L3 = TensorCoreStage.Fetch<TLeft, TFormat>(Left, places.L3, TLeft.AlongK != 0 ? l : TensorCoreStage.AtK<TLeft, TFormat>(Left, k, Gemm.TileRows, 3));
        var r = TensorCoreStage.AtK<TRight, TFormat>(Right, k, Gemm.TileColumns, 0);
        step.R0 = TensorCoreStage.Fetch<TRight, TFormat>(Right, places.R0, r);
        step.R1 = TensorCoreStage.Fetch<TRight, TFormat>(Right, places.R1, TRight.AlongK != 0 ? r : TensorCoreStage.AtK<TRight, TFormat>(Right, k, Gemm.TileColumns, 1));
    }

    private static void Put(in TensorCoreStep step, ArrayView<uint> left, ArrayView<uint> right, int buffer)
    {
        var l = left.SubView(buffer * LeftBuffer, LeftBuffer);
        TensorCoreStage.Put<TLeft, TFormat>(step.L0, l, Gemm.TileRows, 0);
        TensorCoreStage.Put<TLeft, TFormat>(step.L1, l, Gemm.TileRows, 1);
        TensorCoreStage.Put<TLeft, TFormat>(step.L2, l, Gemm.TileRows, 2);
        TensorCoreStage.Put<TLeft, TFormat>(step.L3, l, Gemm.TileRows, 3);
        var r = right.SubView(buffer * RightBuffer, RightBuffer);
        TensorCoreStage.Put<TRight, TFormat>(step.R0, r, Gemm.TileColumns, 0);
        TensorCoreStage.Put<TRight, TFormat>(step.R1, r, Gemm.TileColumns, 1);
    }
}
