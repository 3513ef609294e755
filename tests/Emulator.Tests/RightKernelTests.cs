using ILGPU;
using ILGPU.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Emulator;

/// <summary>Correct kernels of the kinds we write pass, and compute what they should.</summary>
[TestFixture]
[Parallelizable(ParallelScope.All)]
public class RightKernelTests
{
    private const int Tile = 16;
    private const int Threads = 128;

    [Test]
    public void Reduction([Values(1, 100, 1000)] int length)
    {
        using var device = new EmulatedDevice();
        var x = device.Upload(Values(3 * length));
        var sums = device.Allocate(3);
        device.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, int>(RowSums)(
            new KernelConfig(3, Threads), x, sums, length);
        var expected = Enumerable.Range(0, 3).Select(row => Values(3 * length).Skip(row * length).Take(length).Sum());
        Assert.That(sums.GetAsArray(), Is.EqualTo(expected).Within(1e-3f * length));
    }

    [Test]
    public void TiledTranspose()
    {
        const int Rows = 37, Columns = 53;
        using var device = new EmulatedDevice();
        var x = device.Upload(Values(Rows * Columns));
        var y = device.Allocate(Rows * Columns);
        var grid = new Index2D((Columns + Tile - 1) / Tile, (Rows + Tile - 1) / Tile);
        device.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>, Index2D>(Transpose)(
            new KernelConfig(grid, new Index2D(Tile, Tile)), x, y, new Index2D(Columns, Rows));
        float[] values = Values(Rows * Columns), result = y.GetAsArray();
        for (int r = 0; r < Rows; r++)
        {
            for (int c = 0; c < Columns; c++)
                Assert.That(result[(c * Rows) + r], Is.EqualTo(values[(r * Columns) + c]));
        }
    }

    [Test]
    public void TiledGemm([Values(1, 16, 33)] int m, [Values(20, 48)] int n, [Values(5, 32, 50)] int k)
    {
        using var device = new EmulatedDevice();
        float[] a = Values(m * k), b = Values(k * n);
        var c = device.Allocate(m * n);
        var shape = new GemmShape { M = m, N = n, K = k };
        var views = new GemmViews { A = device.Upload(a), B = device.Upload(b), C = c };
        device.Accelerator.LoadStreamKernel<GemmViews, GemmShape>(Gemm)(
            new KernelConfig(new Index2D((n + Tile - 1) / Tile, (m + Tile - 1) / Tile), new Index2D(Tile, Tile)), views, shape);
        float[] result = c.GetAsArray();
        for (int i = 0; i < m; i++)
        {
            for (int j = 0; j < n; j++)
            {
                float sum = 0;
                for (int l = 0; l < k; l++)
                    sum += a[(i * k) + l] * b[(l * n) + j];
                Assert.That(result[(i * n) + j], Is.EqualTo(sum).Within(1e-4));
            }
        }
    }

    [Test]
    public void VectorAccessThroughCast()
    {
        using var device = new EmulatedDevice();
        var x = device.Upload(Values(4 * Threads));
        var y = device.Allocate(4 * Threads);
        device.Accelerator.LoadStreamKernel<ArrayView<float>, ArrayView<float>>(CopyFours)(new KernelConfig(1, Threads), x, y);
        Assert.That(y.GetAsArray(), Is.EqualTo(Values(4 * Threads)));
    }

    private static float[] Values(int length) =>
        [.. Enumerable.Range(0, length).Select(i => (((i * 7919) % 1013) - 500) / 256f)];

    private static void RowSums(ArrayView<float> x, ArrayView<float> sums, int length)
    {
        float partial = 0;
        for (int i = Group.IdxX; i < length; i += Group.DimX)
            partial += x[(Grid.IdxX * length) + i];
        // Waits in the middle of an expression whose address is already on the evaluation stack.
        sums[Grid.IdxX] = (2 * GroupSum(partial)) - GroupSum(partial);
    }

    private static float GroupSum(float value)
    {
        var shared = SharedMemory.Allocate<float>(Threads);
        int lane = Group.IdxX;
        shared[lane] = value;
        Group.Barrier();
        for (int stride = Threads / 2; stride > 0; stride /= 2)
        {
            if (lane < stride)
                shared[lane] += shared[lane + stride];
            Group.Barrier();
        }
        return shared[0];
    }

    private static void Transpose(ArrayView<float> x, ArrayView<float> y, Index2D size)
    {
        var tile = SharedMemory.Allocate<float>(Tile * (Tile + 1));
        int column = (Grid.IdxX * Tile) + Group.IdxX, row = (Grid.IdxY * Tile) + Group.IdxY;
        if (column < size.X && row < size.Y)
            tile[(Group.IdxY * (Tile + 1)) + Group.IdxX] = x[(row * size.X) + column];
        Group.Barrier();
        int outColumn = (Grid.IdxY * Tile) + Group.IdxX, outRow = (Grid.IdxX * Tile) + Group.IdxY;
        if (outColumn < size.Y && outRow < size.X)
            y[(outRow * size.Y) + outColumn] = tile[(Group.IdxX * (Tile + 1)) + Group.IdxY];
    }

    private static void Gemm(GemmViews views, GemmShape shape)
    {
        var a = SharedMemory.Allocate<float>(Tile * Tile);
        var b = SharedMemory.Allocate<float>(Tile * Tile);
        int row = (Grid.IdxY * Tile) + Group.IdxY, column = (Grid.IdxX * Tile) + Group.IdxX;
        int slot = (Group.IdxY * Tile) + Group.IdxX;
        float sum = 0;
        for (int k = 0; k < shape.K; k += Tile)
        {
            int ka = k + Group.IdxX, kb = k + Group.IdxY;
            a[slot] = row < shape.M && ka < shape.K ? views.A[(row * shape.K) + ka] : 0;
            b[slot] = kb < shape.K && column < shape.N ? views.B[(kb * shape.N) + column] : 0;
            Group.Barrier();
            Accumulate(a, b, ref sum);
        }
        if (row < shape.M && column < shape.N)
            views.C[(row * shape.N) + column] = sum;
    }

    /// <summary>A helper that waits, and that holds a reference to its caller's local while it does.</summary>
    private static void Accumulate(ArrayView<float> a, ArrayView<float> b, ref float sum)
    {
        ref float total = ref sum;
        for (int i = 0; i < Tile; i++)
            total += a[(Group.IdxY * Tile) + i] * b[(i * Tile) + Group.IdxX];
        Group.Barrier();
        total += 0;
    }

    private static void CopyFours(ArrayView<float> x, ArrayView<float> y)
    {
        var four = x.Cast<Float4>()[Group.IdxX];
        y.Cast<Float4>()[Group.IdxX] = four;
    }

    private struct GemmViews
    {
        public ArrayView<float> A;
        public ArrayView<float> B;
        public ArrayView<float> C;
    }

    private struct GemmShape
    {
        public int M;
        public int N;
        public int K;
    }
}
