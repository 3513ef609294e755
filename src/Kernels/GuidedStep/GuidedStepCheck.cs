namespace NativeDiffusion.Kernels;

/// <summary>What every backend checks of a guided step before it starts, from what the host knows.</summary>
internal static class GuidedStepCheck
{
    /// <summary>Whether a step has a term that few samplers and guiders have.</summary>
    public static bool IsSecondary(in GuidedStepRow row, in GuidedStepTensors tensors) =>
        row.HasSecondaryTerms || !tensors.Denoised.IsEmpty || tensors.Prediction.IsEmpty || !tensors.Limit.IsEmpty;

    /// <exception cref="ArgumentException">The row needs a history or channels that are not there.</exception>
    public static void Require(in GuidedStepRow row, in GuidedStepTensors tensors) => Require(row, tensors, IsSecondary(row, tensors));

    /// <summary>The same, for whoever asked already whether the step is secondary.</summary>
    public static void Require(in GuidedStepRow row, in GuidedStepTensors tensors, bool secondary)
    {
        if ((row.P != 0 || row.StoreHistory) && tensors.History.IsEmpty) throw Missing(row);
        if (secondary) RequireSecondary(row, tensors);
        int branches = tensors.BranchRow.IsEmpty ? 0 : tensors.BranchRow.Shape.Channels;
        if (branches > GuidedStepTensors.MostBranches || branches > 0 && (tensors.Weight.IsEmpty || tensors.Weight.Shape.Channels != 1 + branches))
            throw new ArgumentException($"A step has at most {GuidedStepTensors.MostBranches} branches and one weight more than branches; got {branches} and weights {(tensors.Weight.IsEmpty ? "none" : tensors.Weight.Shape)}.");
        if (row.GuidedChannels < 0 || row.GuidedChannels > tensors.Z.Shape.Channels)
            throw new ArgumentException($"The sampler row guides the first {row.GuidedChannels} of {tensors.Z.Shape.Channels} channels; 0 guides all.");
        if (row.LearnedVariance && tensors.Prediction.Shape.Channels == tensors.Z.Shape.Channels)
            throw new ArgumentException($"The sampler row takes its variance from the network, whose {tensors.Z.Shape.Channels} output channels hold none.");
    }

    private static void RequireSecondary(in GuidedStepRow row, in GuidedStepTensors tensors)
    {
        if ((row.Q != 0 || row.StoreState) && tensors.State.IsEmpty) throw Missing(row);
        if ((row.P2 != 0 || row.ShiftHistories > 0) && tensors.History2.IsEmpty || (row.P3 != 0 || row.ShiftHistories > 1) && tensors.History3.IsEmpty
            || row.ShiftHistories > 0 && tensors.History.IsEmpty)
            throw new ArgumentException($"The sampler row needs an older history that was not given: {row}.");
        if (row.ShiftHistories is < 0 or > 2) throw new ArgumentException($"A sampler row shifts 0 to 2 histories; got {row.ShiftHistories}.");
        if (row.ReadsShift && tensors.Shift.IsEmpty) throw new ArgumentException($"The sampler row shifts by a tensor that was not given: {row}.");
        if (tensors.Prediction.IsEmpty && (row.XFromG != 0 || row.E != 0 || row.ReadsBranch || row.LearnedVariance))
            throw new ArgumentException($"The sampler row reads a prediction that was not given: {row}.");
    }

    private static ArgumentException Missing(in GuidedStepRow row) => new($"The sampler row needs a history tensor that was not given: {row}.");
}
