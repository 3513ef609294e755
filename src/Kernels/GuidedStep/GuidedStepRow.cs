namespace NativeDiffusion.Kernels;

/// <summary>
/// The coefficients of one guided sampler step, computed by the sampler in double and rounded to float32 here. See
/// <see cref="IKernels.GuidedStep"/> for the formulas.
/// </summary>
public readonly record struct GuidedStepRow
{
    /// <summary>A row of zeros that clips, if told to, to [-1, 1].</summary>
    public GuidedStepRow() { }

    /// <summary>Index of the step: the third counter word of the noise.</summary>
    public int StepIndex { get; init; }

    /// <summary>
    /// How many channels, from the first, are guided: the others have the conditional prediction as it is. 0 stands for all.
    /// </summary>
    public int GuidedChannels { get; init; }

    /// <summary>Weight of the state in the clean sample.</summary>
    public float XFromZ { get; init; }

    /// <summary>Weight of the guided raw output in the clean sample.</summary>
    public float XFromG { get; init; }

    /// <summary>Weight of the state in the next state.</summary>
    public float A { get; init; }

    /// <summary>Weight of the (clipped) clean sample in the next state.</summary>
    public float B { get; init; }

    /// <summary>Weight of the guided raw output in the next state.</summary>
    public float E { get; init; }

    /// <summary>Weight of the first history in the next state. Where it is 0 the history is not read.</summary>
    public float P { get; init; }

    /// <summary>Weight of the history before the first one in the next state. Where it is 0 that history is not read.</summary>
    public float P2 { get; init; }

    /// <summary>Weight of the history before that in the next state. Where it is 0 that history is not read.</summary>
    public float P3 { get; init; }

    /// <summary>Weight of the stored state in the next state. Where it is 0 the stored state is not read.</summary>
    public float Q { get; init; }

    /// <summary>
    /// Weight of the first branch's own output p1 in the next state: the noise that CFG++ takes from the null label. A sample without a first branch
    /// has its conditional prediction there.
    /// </summary>
    public float F { get; init; }

    /// <summary>Standard deviation of the noise added to the next state.</summary>
    public float C { get; init; }

    /// <summary>Whether the network's variance channels replace <see cref="C"/>.</summary>
    public bool LearnedVariance { get; init; }

    /// <summary>Log-variance at nu = -1.</summary>
    public float LogVarMin { get; init; }

    /// <summary>Log-variance at nu = 1.</summary>
    public float LogVarMax { get; init; }

    /// <summary>Whether the noise is left out whatever the variance: the last step of an ancestral sampler.</summary>
    public bool NoNoise { get; init; }

    /// <summary>Weight of the state in the stored history.</summary>
    public float HistoryFromZ { get; init; }

    /// <summary>Weight of the (clipped) clean sample in the stored history.</summary>
    public float HistoryFromX { get; init; }

    /// <summary>Weight of the first branch's own output in the stored history, as with <see cref="F"/>.</summary>
    public float HistoryFromP1 { get; init; }

    /// <summary>Weight of the shift in the clean sample, after clipping.</summary>
    public float XFromShift { get; init; }

    /// <summary>Weight of the shift in the next state.</summary>
    public float YFromShift { get; init; }

    /// <summary>Weight of the shift times the noise's variance in the next state: what moves the mean of an ancestral step. The variance counts even where the noise is left out.</summary>
    public float YFromVariance { get; init; }

    /// <summary>Whether this row stores the first history.</summary>
    public bool StoreHistory { get; init; }

    /// <summary>How many older histories take over the one after them before the first is stored: 0, 1 (h2' = h1) or 2 (h3' = h2 as well).</summary>
    public int ShiftHistories { get; init; }

    /// <summary>Whether this row stores its state, before updating it.</summary>
    public bool StoreState { get; init; }

    /// <summary>Whether the clean sample is clamped to [<see cref="ClipLow"/>, <see cref="ClipHigh"/>].</summary>
    public bool Clip { get; init; }

    /// <summary>
    /// Whether the clean sample is clamped after the shift in place of before it: what a gradient through the network adds is part of the prediction. A
    /// sample's limit comes before the shift all the same.
    /// </summary>
    public bool ClipAfterShift { get; init; }

    /// <summary>Lower bound of the clean sample.</summary>
    public float ClipLow { get; init; } = -1;

    /// <summary>Upper bound of the clean sample.</summary>
    public float ClipHigh { get; init; } = 1;

    /// <summary>
    /// Whether the step has a term that few samplers and guiders have. One comparison for all weights: the step of a small image takes no longer than a few of them.
    /// </summary>
    internal bool HasSecondaryTerms => StoreState || ShiftHistories != 0
        || (Bits(E) | Bits(F) | Bits(Q) | Bits(P2) | Bits(P3) | Bits(HistoryFromP1) | Bits(XFromShift) | Bits(YFromShift) | Bits(YFromVariance)) << 1 != 0;

    /// <summary>Whether the step reads the output of the first branch by itself.</summary>
    internal bool ReadsBranch => F != 0 || HistoryFromP1 != 0;

    /// <summary>Whether the clean sample is clamped before a shift, or has none.</summary>
    internal bool ClipsFirst => Clip && !ClipsShifted;

    /// <summary>Whether the clean sample is clamped after a shift.</summary>
    internal bool ClipsShifted => Clip && ClipAfterShift && ReadsShift;

    /// <summary>Whether the step reads a shift.</summary>
    internal bool ReadsShift => XFromShift != 0 || YFromShift != 0 || YFromVariance != 0;

    private static uint Bits(float value) => BitConverter.SingleToUInt32Bits(value);
}
