using System.Collections.Concurrent;
using System.Globalization;
using System.Text.RegularExpressions;

namespace IlgpuEmulator;

/// <summary>
/// mma.sync with float32 sums and factors of TF32 (m16n8k8) or bfloat16 (m16n8k16), its fragments as the PTX ISA lays them out. Products are
/// exact and each result is rounded once; tensor cores round differently, in a way that NVIDIA does not document.
/// </summary>
internal sealed partial class MmaInstruction
{
    private const int Rows = 16, Columns = 8, Words = 8;

    private static readonly ConcurrentDictionary<string, MmaInstruction> Known = new();

    private readonly bool _bf16;
    private readonly int[] _d, _a, _b, _c;

    private MmaInstruction(string text)
    {
        var match = Form().Match(text);
        if (!match.Success)
            throw new NotSupportedException($"The emulator does not know the instruction '{text}'.");
        _bf16 = match.Groups["bf16"].Success;
        (_d, _a, _b, _c) = (Operands(match, "d"), Operands(match, "a"), Operands(match, "b"), Operands(match, "c"));
    }

    internal static MmaInstruction Parse(string text) => Known.GetOrAdd(text, t => new MmaInstruction(t));

    internal void Run(ReadOnlySpan<WarpInstructions.Arrival> lanes, LaneContext context, int firstLane)
    {
        int depth = _bf16 ? 2 * Words : Words;
        Span<float> a = stackalloc float[Rows * depth], b = stackalloc float[Columns * depth];
        for (int lane = 0; lane < lanes.Length; lane++)
        {
            context.Select(firstLane + lane);
            int group = lane / 4, word = lane % 4;
            for (int i = 0; i < 4; i++)
                Spread(Word(lanes[lane], _a[i]), a, group + (i % 2 * 8), word + (i / 2 * 4), lanes[lane]);
            for (int i = 0; i < 2; i++)
                Spread(Word(lanes[lane], _b[i]), b, group, word + (i * 4), lanes[lane]);
        }
        for (int lane = 0; lane < lanes.Length; lane++)
        {
            for (int i = 0; i < 4; i++)
            {
                int row = (lane / 4) + (i / 2 * 8), column = (lane % 4 * 2) + (i % 2);
                double sum = BitConverter.UInt32BitsToSingle(Word(lanes[lane], _c[i]));
                for (int k = 0; k < depth; k++)
                    sum += (double)a[(row * depth) + k] * b[(column * depth) + k];
                Write(lanes[lane], _d[i], (float)sum);
            }
        }
    }

    /// <summary>Puts the one or two factors of a word where they belong.</summary>
    private void Spread(uint bits, Span<float> factors, int row, int word, WarpInstructions.Arrival lane)
    {
        if (_bf16)
        {
            factors[(row * 2 * Words) + (2 * word)] = BitConverter.UInt32BitsToSingle(bits << 16);
            factors[(row * 2 * Words) + (2 * word) + 1] = BitConverter.UInt32BitsToSingle(bits & 0xFFFF0000);
            return;
        }
        if ((bits & 0x1FFF) != 0)
            throw LaneContext.Report(SanitizerFinding.Misuse, $"the factor {BitConverter.UInt32BitsToSingle(bits):g9} is not rounded to TF32", lane.Instruction, lane.File, lane.Line);
        factors[(row * Words) + word] = BitConverter.UInt32BitsToSingle(bits);
    }

    private static unsafe uint Word(WarpInstructions.Arrival lane, int operand) => *(uint*)lane.Registers[operand];

    private static unsafe void Write(WarpInstructions.Arrival lane, int operand, float value) => *(float*)lane.Registers[operand] = value;

    private static int[] Operands(Match match, string name) =>
        [.. match.Groups[name].Value.Split(", ").Select(text => int.Parse(text[1..], CultureInfo.InvariantCulture))];

    [GeneratedRegex(
        @"^mma\.sync\.aligned\.(m16n8k8\.row\.col\.f32\.tf32\.tf32|(?<bf16>m16n8k16\.row\.col\.f32\.bf16\.bf16))\.f32 "
        + @"\{(?<d>%\d, %\d, %\d, %\d)\}, \{(?<a>%\d, %\d, %\d, %\d)\}, \{(?<b>%\d, %\d)\}, \{(?<c>%\d, %\d, %\d, %\d)\};$")]
    private static partial Regex Form();
}
