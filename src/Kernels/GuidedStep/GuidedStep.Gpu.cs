using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void GuidedStep(in GuidedStepRow row, ulong seed, in GuidedStepTensors tensors)
    {
        GuidedStepCheck.Require(row, tensors);
        TensorView z = tensors.Z, y = tensors.Y.IsEmpty ? z : tensors.Y, prediction = tensors.Prediction;
        int channels = z.Shape.Channels;
        bool predicts = !prediction.IsEmpty, doubled = predicts && prediction.Shape.Channels != channels, noisy = !row.NoNoise && (row.LearnedVariance || row.C != 0);
        var blocks = Blocks(z, y, tensors.Noise, tensors.History, tensors.History2, tensors.History3, tensors.State, tensors.Denoised, tensors.Shift);
        var kernel = new GuidedStepKernel
        {
            Prediction = View(prediction), Weight = View(tensors.Weight), BranchRow = Indices(tensors.BranchRow), Limit = View(tensors.Limit), Shift = View(tensors.Shift), SampleIndex = Indices(tensors.SampleIndex),
            Noise = View(tensors.Noise), Z = View(z), History = View(tensors.History), History2 = View(tensors.History2), History3 = View(tensors.History3), State = View(tensors.State), Denoised = View(tensors.Denoised),
            Y = View(y), Blocks = blocks, Key = new RandomKey(seed, (uint)row.StepIndex, RandomStream.StepNoise),
            XFromZ = row.XFromZ, XFromG = row.XFromG, A = row.A, B = row.B, E = row.E, F = row.F, P = row.P, P2 = row.P2, P3 = row.P3, Q = row.Q, C = row.C,
            XFromShift = row.XFromShift, YFromShift = row.YFromShift, YFromVariance = row.YFromVariance,
            Low = row.ClipsFirst ? row.ClipLow : float.NegativeInfinity, High = row.ClipsFirst ? row.ClipHigh : float.PositiveInfinity,
            ShiftedLow = row.ClipLow, ShiftedHigh = row.ClipHigh, ClipsShifted = row.ClipsShifted ? 1 : 0,
            VarianceSlope = 0.25f * (row.LogVarMax - row.LogVarMin), VarianceMiddle = 0.25f * (row.LogVarMax + row.LogVarMin),
            HistoryFromZ = row.HistoryFromZ, HistoryFromX = row.HistoryFromX, HistoryFromP1 = row.HistoryFromP1,
            PredictedRows = predicts ? prediction.Shape.Batch : 0, Branches = tensors.BranchRow.IsEmpty ? 0 : tensors.BranchRow.Shape.Channels,
            HasWeights = tensors.Weight.IsEmpty ? 0 : 1, ReadsBranch = row.ReadsBranch ? 1 : 0, ReadsShift = row.ReadsShift ? 1 : 0, Limits = tensors.Limit.IsEmpty ? 0 : 1,
            GuidedChannels = row.GuidedChannels > 0 && row.GuidedChannels < channels ? row.GuidedChannels : 0, StateChannels = channels,
            Channels = doubled ? channels : 0, PredictionVectors = predicts ? InVectors(doubled ? channels : blocks.RowLength, prediction) : 0,
            Noisy = noisy ? 1 : 0, Draws = tensors.Noise.IsEmpty ? 1 : 0, LearnedVariance = row.LearnedVariance ? 1 : 0,
            StoreHistory = row.StoreHistory ? 1 : 0, StoreState = row.StoreState ? 1 : 0, ShiftHistories = row.ShiftHistories, StoreDenoised = tensors.Denoised.IsEmpty ? 0 : 1,
        };
        LaunchEach(kernel, blocks.Count);
    }
}

/// <summary>
/// Four elements of a sample for each thread: everything they need is read once, and written once after that, so that results may take the place of
/// what was read. Conditions are the same for all threads, apart from those on a sample's scale.
/// </summary>
internal struct GuidedStepKernel : IGpuKernel
{
    public ArrayView<float> Prediction, Weight, Limit, Shift, Noise, Z, History, History2, History3, State, Denoised, Y;
    public ArrayView<int> BranchRow, SampleIndex;
    public RowBlocks Blocks;
    public RandomKey Key;
    public float XFromZ, XFromG, XFromShift, A, B, E, F, P, P2, P3, Q, C, YFromShift, YFromVariance, Low, High, ShiftedLow, ShiftedHigh, VarianceSlope, VarianceMiddle;
    public float HistoryFromZ, HistoryFromX, HistoryFromP1;
    public int PredictedRows, Branches, HasWeights, ReadsBranch, ReadsShift, ClipsShifted, Limits, Noisy, Draws, LearnedVariance, StoreHistory, StoreState, ShiftHistories, StoreDenoised;

    /// <summary>Channels that are guided; 0 for all.</summary>
    public int GuidedChannels;
    public int StateChannels;

    /// <summary>Channels of a prediction that has as many for the variance; 0 where it has none.</summary>
    public int Channels;
    public int PredictionVectors;

    public readonly void Run()
    {
        var block = Blocks.Of((long)Grid.IdxX * Group.DimX + Group.IdxX);
        if (block.Count <= 0) return;
        var places = Places(block);
        var z = Blocks.Load(Z, block);
        var g = LanesFour.Broadcast(0f);
        if (PredictedRows != 0) g = Predicted(block, places, block.Row, 0);
        var p1 = g;
        if (Branches != 0) (g, p1) = Combined(block, places, g);
        else if (HasWeights != 0 && Weight[block.Row] != 1f) g = Weighted(block, g);
        float low = Low, high = High;
        if (Limits != 0)
        {
            high = Limit[block.Row];
            low = -high;
        }
        // In this order of arguments a NaN stays one.
        var x = LanesFour.Min(LanesFour.Broadcast(high), LanesFour.Max(LanesFour.Broadcast(low), Sum(XFromG, g, XFromZ, z)));
        if (Limits != 0) x = x * LanesFour.Broadcast(1f / high);
        var moved = LanesFour.Broadcast(0f);
        if (ReadsShift != 0)
        {
            moved = Blocks.Load(Shift, block);
            x = LanesFour.MultiplyAdd(LanesFour.Broadcast(XFromShift), moved, x);
            if (ClipsShifted != 0) x = LanesFour.Min(LanesFour.Broadcast(ShiftedHigh), LanesFour.Max(LanesFour.Broadcast(ShiftedLow), x));
        }
        var y = Sum(B, x, A, z);
        if (E != 0f) y = LanesFour.MultiplyAdd(LanesFour.Broadcast(E), g, y);
        if (ReadsBranch != 0) y = LanesFour.MultiplyAdd(LanesFour.Broadcast(F), p1, y);
        if (P != 0f) y = LanesFour.MultiplyAdd(LanesFour.Broadcast(P), Blocks.Load(History, block), y);
        if (P2 != 0f) y = LanesFour.MultiplyAdd(LanesFour.Broadcast(P2), Blocks.Load(History2, block), y);
        if (P3 != 0f) y = LanesFour.MultiplyAdd(LanesFour.Broadcast(P3), Blocks.Load(History3, block), y);
        if (Q != 0f) y = LanesFour.MultiplyAdd(LanesFour.Broadcast(Q), Blocks.Load(State, block), y);
        if (Noisy != 0)
        {
            var noise = Draws != 0 ? PhiloxFour.Normal(Key, (uint)SampleIndex[block.Row], (uint)block.Index) : Blocks.Load(Noise, block);
            y = LanesFour.MultiplyAdd(Deviation(block, places), noise, y);
        }
        if (ReadsShift != 0)
        {
            var factor = LanesFour.Broadcast(YFromShift);
            if (YFromVariance != 0f)
            {
                var deviation = Deviation(block, places);
                factor = LanesFour.MultiplyAdd(LanesFour.Broadcast(YFromVariance), deviation * deviation, factor);
            }
            y = LanesFour.MultiplyAdd(factor, moved, y);
        }
        if (ShiftHistories > 1) Blocks.Store(History3, block, Blocks.Load(History2, block));
        if (ShiftHistories > 0) Blocks.Store(History2, block, Blocks.Load(History, block));
        if (StoreHistory != 0)
        {
            var stored = Sum(HistoryFromX, x, HistoryFromZ, z);
            if (ReadsBranch != 0) stored = LanesFour.MultiplyAdd(LanesFour.Broadcast(HistoryFromP1), p1, stored);
            Blocks.Store(History, block, stored);
        }
        if (StoreState != 0) Blocks.Store(State, block, z);
        if (StoreDenoised != 0) Blocks.Store(Denoised, block, x);
        Blocks.Store(Y, block, y);
    }

    /// <summary>The conditional prediction p0 and the branches by their weights, and the first branch for itself.</summary>
    private readonly (LanesFour G, LanesFour P1) Combined(RowBlock block, StepPlaces places, LanesFour p0)
    {
        var p1 = p0;
        var g = Weight[block.Row * (1 + Branches)] == 1f ? p0 : Weighted(block, p0);
        for (int k = 0; k < Branches; k++)
        {
            int row = BranchRow[block.Row * Branches + k];
            float weight = Weight[block.Row * (1 + Branches) + 1 + k];
            bool isRead = weight != 0f || (k == 0 && ReadsBranch != 0);
            if (row >= 0 && isRead)
            {
                var branch = LanesFour.Broadcast(float.NaN);
                if (row < PredictedRows) branch = Predicted(block, places, row, 0);
                if (GuidedChannels != 0) branch = HideUnguided(4 * block.Index % StateChannels, branch.Values, p0.Values);
                if (k == 0) p1 = branch;
                if (weight != 0f) g = LanesFour.MultiplyAdd(LanesFour.Broadcast(weight), p0 - branch, g);
            }
        }
        return (g, p1);
    }

    /// <summary>The conditional prediction times its weight, in the channels that are guided.</summary>
    private readonly LanesFour Weighted(RowBlock block, LanesFour p0)
    {
        var g = LanesFour.Broadcast(Weight[block.Row * (1 + Branches)]) * p0;
        if (GuidedChannels != 0) g = HideUnguided(4 * block.Index % StateChannels, g.Values, p0.Values);
        return g;
    }

    /// <summary>A prediction with the conditional one in place of the channels that are not guided: between equals, no weight makes a difference.</summary>
    private readonly LanesFour HideUnguided(int channel, F4 branch, F4 conditional)
    {
        if (channel >= GuidedChannels) branch.X = conditional.X;
        channel = (channel + 1) % StateChannels;
        if (channel >= GuidedChannels) branch.Y = conditional.Y;
        channel = (channel + 1) % StateChannels;
        if (channel >= GuidedChannels) branch.Z = conditional.Z;
        channel = (channel + 1) % StateChannels;
        if (channel >= GuidedChannels) branch.W = conditional.W;
        return new LanesFour(branch);
    }

    private static LanesFour Sum(float a, LanesFour x, float b, LanesFour y) =>
        LanesFour.MultiplyAdd(LanesFour.Broadcast(a), x, LanesFour.Broadcast(b) * y);

    private readonly LanesFour Deviation(RowBlock block, StepPlaces places) => LearnedVariance == 0
        ? LanesFour.Broadcast(C)
        : LanesMath.Exp(LanesFour.MultiplyAdd(LanesFour.Broadcast(VarianceSlope), Predicted(block, places, block.Row, Channels), LanesFour.Broadcast(VarianceMiddle)));

    /// <summary>
    /// Where a block lies within a row of the prediction: as in the state, or, if pixels have twice as many channels there, further by those of the
    /// pixels before it, which may differ within the block.
    /// </summary>
    private readonly StepPlaces Places(RowBlock block)
    {
        var places = default(StepPlaces);
        int element = 4 * block.Index;
        places.X = element;
        if (Channels == 0) return places;
        int pixel = element / Channels, channel = element - pixel * Channels;
        places.X = (long)element + (long)pixel * Channels;
        channel = Next(channel);
        places.Y = places.X + 1 + (channel == 0 ? Channels : 0);
        channel = Next(channel);
        places.Z = places.Y + 1 + (channel == 0 ? Channels : 0);
        channel = Next(channel);
        places.W = places.Z + 1 + (channel == 0 ? Channels : 0);
        return places;
    }

    private readonly int Next(int channel) => channel + 1 == Channels ? 0 : channel + 1;

    /// <summary>A block of one row of the prediction, <paramref name="offset"/> channels further.</summary>
    private readonly LanesFour Predicted(RowBlock block, StepPlaces places, int row, int offset)
    {
        if (Channels == 0) return new(GpuLoad.Four(Prediction, (long)row * Blocks.RowLength + places.X, block.Count, PredictionVectors));
        long start = 2L * row * Blocks.RowLength + offset;
        if (PredictionVectors != 0) return new(Prediction.Cast<F4>()[(start + places.X) / 4]);
        var values = default(F4);
        values.X = Prediction[start + places.X];
        if (block.Count > 1) values.Y = Prediction[start + places.Y];
        if (block.Count > 2) values.Z = Prediction[start + places.Z];
        if (block.Count > 3) values.W = Prediction[start + places.W];
        return new(values);
    }
}

/// <summary>Where four elements lie in a row of the prediction.</summary>
internal struct StepPlaces
{
    public long X, Y, Z, W;
}
