using System.Runtime.CompilerServices;
using ILGPU;

namespace NativeDiffusion.Kernels;

/// <summary>
/// How the operands of <see cref="TensorCoreGemmKernel{TLeft, TRight, TResult, TFormat}"/> lie in shared memory: rows that are read along k as rows of
/// 16 words, the others turned, as 16 rows of words.
/// <para>A lane reads four adjacent words of k, which are its places in two instructions: which k an instruction multiplies where is free as long as
/// both operands agree. Turned, these come one by one, from rows in an order that keeps the lanes of a warp off the same bank.</para>
/// </summary>
internal static class TensorCoreStage
{
    /// <summary>Words of k in a step.</summary>
    public const int Words = Gemm.Step;

    /// <summary>The values of k of a part: of its words along k or of its one word, and, where a word has two values, the next of them.</summary>
    public static WordPlaces AtK<TOperand, TFormat>(in TOperand operand, int k, int tile, int part)
        where TOperand : struct, IGemmOperand
        where TFormat : struct, IMatrixFormat
    {
        int from = k + GemmPart.Word<TOperand>(tile, part) * TFormat.PerWord;
        var result = new WordPlaces { Low = operand.AtK(from) };
        if (TFormat.PerWord == 2) result.High = operand.AtK(from + (TOperand.AlongK != 0 ? 4 : 1));
        return result;
    }

    /// <summary>A part: the values of four words, of one row or of one k.</summary>
    public static F8 Fetch<TOperand, TFormat>(in TOperand operand, GemmPlace index, WordPlaces k)
        where TOperand : struct, IGemmOperand
        where TFormat : struct, IMatrixFormat
    {
        var result = new F8 { Low = operand.Load(index, k.Low) };
        if (TFormat.PerWord == 2) result.High = operand.Load(index, k.High);
        return result;
    }

    public static void Put<TOperand, TFormat>(in F8 values, ArrayView<uint> stage, int tile, int part)
        where TOperand : struct, IGemmOperand
        where TFormat : struct, IMatrixFormat
    {
        F4 a = values.Low, b = values.High;
        int index = GemmPart.Index<TOperand>(tile, part), word = GemmPart.Word<TOperand>(tile, part);
        if (TOperand.AlongK == 0)
        {
            int row = (word / 4 & 1) + (word / 8 * 4) + (word & 1) * 2 + (word & 2) * 4;
            stage.Cast<U4>()[(row * (tile + 4) + index) / 4] = new U4
            {
                X = TFormat.Word(a.X, b.X),
                Y = TFormat.Word(a.Y, b.Y),
                Z = TFormat.Word(a.Z, b.Z),
                W = TFormat.Word(a.W, b.W),
            };
        }
        else
        {
            stage.Cast<U4>()[(index * Words + word) / 4] = TFormat.PerWord == 2
                ? new U4 { X = TFormat.Word(a.X, a.Y), Y = TFormat.Word(a.Z, a.W), Z = TFormat.Word(b.X, b.Y), W = TFormat.Word(b.Z, b.W) }
                : new U4 { X = TFormat.Word(a.X, 0), Y = TFormat.Word(a.Y, 0), Z = TFormat.Word(a.Z, 0), W = TFormat.Word(a.W, 0) };
        }
    }

    /// <summary>A lane's words of 16 rows.</summary>
    public static TensorCoreRows Rows<TOperand>(ArrayView<uint> stage, int tile, int start, TensorCoreLane lane)
        where TOperand : struct, IGemmOperand => new()
        {
            Low = Take<TOperand>(stage, tile, start + lane.Low, lane.Word),
            High = Take<TOperand>(stage, tile, start + lane.High, lane.Word),
        };

    /// <summary>A lane's words of 32 columns.</summary>
    public static TensorCoreColumns Columns<TOperand>(ArrayView<uint> stage, int tile, int start, TensorCoreLane lane)
        where TOperand : struct, IGemmOperand => new()
        {
            C0 = Take<TOperand>(stage, tile, start + lane.Low, lane.Word),
            C1 = Take<TOperand>(stage, tile, start + lane.High, lane.Word),
            C2 = Take<TOperand>(stage, tile, start + 16 + lane.Low, lane.Word),
            C3 = Take<TOperand>(stage, tile, start + 16 + lane.High, lane.Word),
        };

    /// <summary>Words 4 t .. 4 t + 3 of a row.</summary>
    private static U4 Take<TOperand>(ArrayView<uint> stage, int tile, int index, int t)
        where TOperand : struct, IGemmOperand
    {
        if (TOperand.AlongK != 0) return stage.Cast<U4>()[index * (Words / 4) + t];
        int stride = tile + 4, at = ((t & 1) + (t & 2) * 2) * stride + index;
        return new U4 { X = stage[at], Y = stage[at + 2 * stride], Z = stage[at + 8 * stride], W = stage[at + 10 * stride] };
    }
}

/// <summary>
/// A lane's places in a block of 16 rows (or columns): with g = lane / 4 and t = lane % 4, an instruction's rows g and g + 8 (or two instructions'
/// columns g) are rows Low and High of the block. Dealt out so that a lane's sums of two instructions are four adjacent columns, 4 t .. 4 t + 3, and so
/// that the rows of lanes that read at once are on different banks.
/// </summary>
internal struct TensorCoreLane
{
    public int Low, High, Word;

    public static TensorCoreLane Of(int lane)
    {
        int g = lane / 4, pair = g / 2, low = pair * 4 + (pair & 1) * 2 + (g & 1);
        return new TensorCoreLane { Low = low, High = low ^ 2, Word = lane % 4 };
    }

    /// <summary>Columns 4 t .. 4 t + 3 of row <see cref="Low"/>, from the sums of two instructions.</summary>
    public readonly F4 LowRow(F4 first, F4 second) => (Word & 1) == 0
        ? new F4 { X = first.X, Y = first.Y, Z = second.X, W = second.Y }
        : new F4 { X = second.X, Y = second.Y, Z = first.X, W = first.Y };

    /// <summary>The same of row <see cref="High"/>.</summary>
    public readonly F4 HighRow(F4 first, F4 second) => (Word & 1) == 0
        ? new F4 { X = first.Z, Y = first.W, Z = second.Z, W = second.W }
        : new F4 { X = second.Z, Y = second.W, Z = first.Z, W = first.W };
}

/// <summary>A lane's sums of 16 rows and 32 columns, as tensor cores hold them.</summary>
internal struct TensorCoreSums
{
    public F4 C0, C1, C2, C3;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add<TFormat>(in TensorCoreRows rows, in TensorCoreColumns columns)
        where TFormat : struct, IMatrixFormat
    {
        Add<TFormat>(ref C0, rows.Low, rows.High, columns.C0);
        Add<TFormat>(ref C1, rows.Low, rows.High, columns.C1);
        Add<TFormat>(ref C2, rows.Low, rows.High, columns.C2);
        Add<TFormat>(ref C3, rows.Low, rows.High, columns.C3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add<TFormat>(ref F4 sums, U4 low, U4 high, U4 column)
        where TFormat : struct, IMatrixFormat
    {
        TFormat.Multiply(ref sums, low.X, high.X, low.Y, high.Y, column.X, column.Y);
        TFormat.Multiply(ref sums, low.Z, high.Z, low.W, high.W, column.Z, column.W);
    }
}

/// <summary>A lane's words of 16 rows.</summary>
internal struct TensorCoreRows
{
    public U4 Low, High;
}

/// <summary>A lane's words of 32 columns.</summary>
internal struct TensorCoreColumns
{
    public U4 C0, C1, C2, C3;
}

/// <summary>What a thread fetches of one step.</summary>
internal struct TensorCoreStep
{
    public F8 L0, L1, L2, L3, R0, R1;
}

/// <summary>Two values of k; the second only of formats with two values in a word.</summary>
internal struct WordPlaces
{
    public GemmPlace Low, High;
}

/// <summary>Eight floats; the upper four only of formats with two values in a word.</summary>
internal struct F8
{
    public F4 Low, High;
}

/// <summary>Four words that are moved at once, in 128 bits.</summary>
internal struct U4
{
    public uint X, Y, Z, W;
}
