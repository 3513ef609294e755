using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

/// <summary>
/// Rows that several rows of the doubled batch have in common. An op whose batched inputs were all gathered by the same row numbers is recorded
/// on the rows before the gathering, and its result is gathered instead: exact, because every kernel treats each row by itself. So what the
/// condition does not reach is computed once, wherever it ends, and the copy is made where the first op needs the full batch.
/// </summary>
public sealed partial class PlanBuilder
{
    private double _sharedFlops;

    /// <summary>
    /// y[r] = x[sourceRow[r]]. Following ops work on x as long as nothing else enters them. The gradient towards a row of x is the sum of those of
    /// the rows gathered from it, in their order.
    /// </summary>
    /// <param name="x">[N, ...].</param>
    /// <param name="sourceRow">Row of x for each row of the result, int32 bits, [R].</param>
    /// <exception cref="ArgumentException">x is a scalar, or the row numbers are not a vector.</exception>
    public Tensor GatherRows(Tensor x, Tensor sourceRow) => x.Shape.Rank > 0 && sourceRow.Shape.Rank == 1
        ? Gathered(x, sourceRow)
        : throw new ArgumentException($"GatherRows takes x [N,...] and row numbers [R]; got {x} and {sourceRow}.");

    /// <summary>The operands before gathering, when all that are present were gathered by the same row numbers; else false.</summary>
    private static bool AreShared(out Tensor sourceRow, params ReadOnlySpan<Tensor?> operands)
    {
        sourceRow = null!;
        foreach (var operand in operands)
        {
            if (operand is null) continue;
            if (operand.GatheredFrom is null || (sourceRow is not null && operand.GatherRow != sourceRow)) return false;
            sourceRow = operand.GatherRow!;
        }
        if (sourceRow is null) return false;
        foreach (var operand in operands)
            if (operand is not null) operand.IsBypassed = true;
        return true;
    }

    /// <summary>The result of an op that was recorded on shared rows, for the full batch; the FLOPs that this spares are counted.</summary>
    /// <param name="firstStep">Number of steps before the op was recorded. Callers pass the count first and record in the second argument.</param>
    /// <param name="y">The op's result on the shared rows.</param>
    /// <param name="sourceRow">Row of <paramref name="y"/> for each row of the full batch.</param>
    private Tensor Share(int firstStep, Tensor y, Tensor sourceRow)
    {
        double flops = 0;
        for (int i = firstStep; i < _steps.Count; i++) flops += _steps[i].Flops;
        _sharedFlops += flops * (sourceRow.Count - y.Shape.Batch) / y.Shape.Batch;
        return Gathered(y, sourceRow);
    }

    private Tensor Gathered(Tensor x, Tensor sourceRow)
    {
        var y = new Tensor(x.Shape.WithBatch(checked((int)sourceRow.Count)), x.Name, TensorKind.Temporary)
        {
            Builder = this,
            GatheredFrom = x,
            GatherRow = sourceRow,
            IsPending = true,
        };
        _tensors.Add(y);
        OnBackward([x], y, dy =>
        {
            var (dx, accumulate) = GradientTarget(x);
            Record(nameof(IKernels.GatherRowsBackward), [dy, sourceRow], [dx],
                k => k.GatherRowsBackward(dy.View, sourceRow.View, dx.View, accumulate), y.Count);
        });
        return y;
    }

    /// <summary>Makes the copy of a gathered tensor before the first step that reads it.</summary>
    private void Materialize(Tensor tensor)
    {
        var root = tensor.Root;
        if (!root.IsPending) return;
        root.IsPending = false;
        Tensor x = root.GatheredFrom!, rows = root.GatherRow!;
        Record(nameof(IKernels.GatherRows), [x, rows], [root], k => k.GatherRows(x.View, rows.View, root.View));
    }
}
