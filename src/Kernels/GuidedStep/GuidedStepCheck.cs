namespace NativeDiffusion.Kernels;

/// <summary>What every backend checks of a guided step before it starts, from what the host knows.</summary>
internal static class GuidedStepCheck
{
    /// <exception cref="ArgumentException">The row needs a history or channels that are not there.</exception>
    public static void Require(in GuidedStepRow row, in GuidedStepTensors tensors)
    {
        if ((row.P != 0 || row.StoreHistory) && tensors.History.IsEmpty || (row.Q != 0 || row.StoreState) && tensors.State.IsEmpty)
            throw new ArgumentException($"The sampler row needs a history tensor that was not given: {row}.");
        if ((row.P2 != 0 || row.ShiftHistories > 0) && tensors.History2.IsEmpty || (row.P3 != 0 || row.ShiftHistories > 1) && tensors.History3.IsEmpty
            || row.ShiftHistories > 0 && tensors.History.IsEmpty)
            throw new ArgumentException($"The sampler row needs an older history that was not given: {row}.");
        if (row.ShiftHistories is < 0 or > 2) throw new ArgumentException($"A sampler row shifts 0 to 2 histories; got {row.ShiftHistories}.");
        if (row.ReadsShift && tensors.Shift.IsEmpty) throw new ArgumentException($"The sampler row shifts by a tensor that was not given: {row}.");
        if (tensors.Prediction.IsEmpty && (row.XFromG != 0 || row.E != 0 || row.ReadsBranch || row.LearnedVariance))
            throw new ArgumentException($"The sampler row reads a prediction that was not given: {row}.");
        int branches = tensors.BranchRow.IsEmpty ? 0 : tensors.BranchRow.Shape.Channels;
        if (branches > GuidedStepTensors.MostBranches || branches > 0 && (tensors.Weight.IsEmpty || tensors.Weight.Shape.Channels != 1 + branches))
            throw new ArgumentException($"A step has at most {GuidedStepTensors.MostBranches} branches and one weight more than branches; got {branches} and weights {(tensors.Weight.IsEmpty ? "none" : tensors.Weight.Shape)}.");
        if (row.GuidedChannels < 0 || row.GuidedChannels > tensors.Z.Shape.Channels)
            throw new ArgumentException($"The sampler row guides the first {row.GuidedChannels} of {tensors.Z.Shape.Channels} channels; 0 guides all.");
        if (row.LearnedVariance && tensors.Prediction.Shape.Channels == tensors.Z.Shape.Channels)
            throw new ArgumentException($"The sampler row takes its variance from the network, whose {tensors.Z.Shape.Channels} output channels hold none.");
    }
}
