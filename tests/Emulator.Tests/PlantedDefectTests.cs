using ILGPU;
using ILGPU.Runtime;
using IlgpuEmulator;
using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Emulator;

/// <summary>Hot kernels with an extent that is one too large, or with results that share memory: both are reported, and where.</summary>
[TestFixture]
[Parallelizable(ParallelScope.All)]
public sealed class PlantedDefectTests
{
    private const int Rows = 70, Columns = 36, Depth = 40;

    [Test]
    public void A_product_that_reads_a_row_too_many() => AssertReported(SanitizerFinding.OutOfRange, "GemmKernel", device =>
        Start(device, Product(device, Rows + 1, new MatrixResult { Values = device.Allocate(Rows * Columns), Rows = Rows, Columns = Columns }), 1, 1));

    [Test]
    public void A_product_of_which_two_threads_write_one_element() => AssertReported(SanitizerFinding.Race, "GemmKernel", device =>
        Start(device, Product(device, Rows, new OverlappingRows { Values = device.Allocate(Rows) }), 1, 1));

    [Test]
    public void Attention_that_reads_a_token_too_many() => AssertReported(SanitizerFinding.OutOfRange, "AttentionForwardKernel", device =>
    {
        var kernel = Attention(device);
        kernel.K.Tokens++;
        Start(device, kernel, 2, 1);
    });

    [Test]
    public void Attention_whose_tokens_share_their_place() => AssertReported(SanitizerFinding.Race, "AttentionForwardKernel", device =>
    {
        var kernel = Attention(device);
        kernel.Y.Token = 0;
        Start(device, kernel, 2, 1);
    });

    [Test]
    public void Column_sums_that_read_a_position_too_many() => AssertReported(SanitizerFinding.OutOfRange, "ColumnSumsKernel", device =>
    {
        var kernel = Sums(device, new PlainResult { Sums = device.Allocate(Columns), Factor = 1, Channels = Columns });
        kernel.Tile.Positions++;
        kernel.Tile.BandLength++;
        Start(device, kernel, 1, 2);
    });

    [Test]
    public void Column_sums_of_which_two_threads_write_one_element() => AssertReported(SanitizerFinding.Race, "ColumnSumsKernel", device =>
        Start(device, Sums(device, new OverlappingColumns { Sums = device.Allocate(Columns) }), 1, 2));

    [Test]
    public void Moments_that_read_a_position_too_many() => AssertReported(SanitizerFinding.OutOfRange, "GroupNormMomentsKernel", device =>
    {
        var tile = ColumnTile.Whole(Rows, Columns);
        tile.Positions++;
        tile.BandLength++;
        Start(device, new GroupNormMomentsKernel { X = device.Upload(Values(Rows * Columns)), Moments = device.Allocate(2 * Columns), Tile = tile, GroupSize = 4 }, 1, 2);
    });

    [Test]
    public void A_guided_step_of_a_block_too_many() => AssertReported(SanitizerFinding.OutOfRange, "GuidedStepKernel", device =>
    {
        var kernel = Step(device);
        kernel.Blocks.Count++;
        Start(device, kernel, 1, 1);
    });

    [Test]
    public void A_guided_step_that_writes_a_block_beside_the_one_it_read() => AssertReported(SanitizerFinding.Race, "GuidedStepKernel", device =>
    {
        var kernel = Step(device);
        var memory = device.Upload(Values(52));
        (kernel.Z, kernel.Y) = (memory.SubView(0, 48), memory.SubView(4, 48));
        Start(device, kernel, 1, 1);
    });

    private static void AssertReported(SanitizerFinding finding, string kernel, Action<EmulatedDevice> start)
    {
        using var device = new EmulatedDevice();
        var report = Assert.Throws<KernelSanitizerException>(() => start(device))!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(report.Finding, Is.EqualTo(finding), report.Message);
            Assert.That(report.Kernel, Does.Contain(kernel));
            Assert.That(report.Group, Is.Not.Null, report.Message);
            Assert.That(report.Thread, Is.Not.Null, report.Message);
            Assert.That(report.SourcePosition, Does.Match(@"\[.+\] \(.+:[0-9]+\)"), report.Message);
        }
    }

    private static void Start<TKernel>(EmulatedDevice device, TKernel kernel, int groups, int groupsY)
        where TKernel : struct, IGpuKernel => device.Accelerator.LoadStreamKernel<TKernel>(GpuEntry.Run)(
            new KernelConfig(new Index3D(groups, groupsY, 1), new Index3D(TKernel.Threads, 1, 1)), kernel);

    private static GemmKernel<RowsOperand, RowsOperand, TResult> Product<TResult>(EmulatedDevice device, int rows, TResult result)
        where TResult : struct, IGemmResult => new()
        {
            Left = new() { Values = device.Upload(Values(Rows * Depth)), Count = rows, Depth = Depth, Vectors = 1 },
            Right = new() { Values = device.Upload(Values(Columns * Depth)), Count = Columns, Depth = Depth, Vectors = 1 },
            Result = result,
            Tiles = 1,
            SliceLength = 48,
            Depth = Depth,
        };

    /// <summary>70 tokens of one head of 12 channels.</summary>
    private static AttentionForwardKernel<AttentionWidth64> Attention(EmulatedDevice device)
    {
        const int Channels = 12;
        GpuHeads Heads(ArrayView<float> values) => new() { Values = values, Token = Channels, Channel = 1, Tokens = Rows, Channels = Channels, Vectors = 1 };
        return new()
        {
            Q = Heads(device.Upload(Values(Rows * Channels))),
            K = Heads(device.Upload(Values(Rows * Channels))),
            V = Heads(device.Upload(Values(Rows * Channels))),
            Y = Heads(device.Allocate(Rows * Channels)),
            LogSumExp = device.Allocate(Rows),
            Heads = 1,
            Scale = 1,
        };
    }

    private static ColumnSumsKernel<PlainTerm, TResult> Sums<TResult>(EmulatedDevice device, TResult result)
        where TResult : struct, IColumnResult => new()
        {
            Term = new() { X = device.Upload(Values(Rows * Columns)) },
            Result = result,
            Tile = ColumnTile.Whole(Rows, Columns),
        };

    /// <summary>Three samples of 16 elements with noise.</summary>
    private static GuidedStepKernel Step(EmulatedDevice device) => new()
    {
        Prediction = device.Upload(Values(48)),
        Z = device.Upload(Values(48)),
        Y = device.Allocate(48),
        SampleIndex = device.Accelerator.Allocate1D(new[] { 3, 5, 8 }).View,
        Blocks = new() { RowLength = 16, PerRow = 4, Count = 12, Vectors = 1 },
        XFromZ = 0.5f,
        XFromG = 1,
        B = 1,
        C = 1,
        Low = float.NegativeInfinity,
        High = float.PositiveInfinity,
        Noisy = 1,
        Draws = 1,
        PredictedRows = 3,
    };

    private static float[] Values(int count) => [.. Enumerable.Range(0, count).Select(i => (i * 7919 % 1013 - 500) / 256f)];

    /// <summary>Eight rows, which two threads have, in one place.</summary>
    private struct OverlappingRows : IGemmResult
    {
        public ArrayView<float> Values;

        public readonly void Store(int slice, int m, int n, F4 sums)
        {
            if (m < Rows && n == 0) Values[m / 8] = sums.X;
        }
    }

    private struct OverlappingColumns : IColumnResult
    {
        public ArrayView<float> Sums;

        public readonly void Store(int line, int channel, float first, float second) => Sums[channel / 2] = first;
    }
}
