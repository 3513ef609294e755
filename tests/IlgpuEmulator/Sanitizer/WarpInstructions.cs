namespace IlgpuEmulator;

/// <summary>Instructions that all lanes of a warp run together: each lane waits until all have come to the same one.</summary>
internal sealed class WarpInstructions(LaneContext context, LaneState[] states, int warpSize)
{
    private readonly Arrival[] _arrivals = new Arrival[states.Length];

    internal void Arrive(int lane, string instruction, ReadOnlySpan<nint> registers, string file, int line) =>
        _arrivals[lane] = new Arrival(instruction, registers.ToArray(), file, line);

    /// <summary>Runs the instruction that each waiting warp waits in, and lets its lanes go on; false if none waits.</summary>
    internal bool Run()
    {
        bool any = false;
        for (int first = 0; first < states.Length; first += warpSize)
        {
            int last = Math.Min(first + warpSize, states.Length);
            int waiting = Array.IndexOf(states, LaneState.InWarp, first, last - first);
            if (waiting < 0)
                continue;
            Check(first, last, waiting);
            MmaInstruction.Parse(_arrivals[first].Instruction).Run(_arrivals.AsSpan(first, last - first), context, first);
            Array.Fill(states, LaneState.Running, first, last - first);
            any = true;
        }
        return any;
    }

    private void Check(int first, int last, int waiting)
    {
        var expected = _arrivals[waiting];
        for (int lane = first; lane < last; lane++)
        {
            if (states[lane] == LaneState.InWarp && _arrivals[lane].IsAt(expected))
                continue;
            context.Select(lane);
            throw LaneContext.Report(
                SanitizerFinding.DivergentBarrier,
                $"this thread is not where thread {waiting} of its warp waits for it", expected.Instruction, expected.File, expected.Line);
        }
        if (last - first != 32)
            throw LaneContext.Report(SanitizerFinding.DivergentBarrier, $"a warp of {last - first} threads", expected.Instruction, expected.File, expected.Line);
    }

    /// <summary>A lane's instruction and the addresses of its operands.</summary>
    internal readonly record struct Arrival(string Instruction, nint[] Registers, string File, int Line)
    {
        internal bool IsAt(Arrival other) => (Instruction, File, Line) == (other.Instruction, other.File, other.Line);
    }
}
