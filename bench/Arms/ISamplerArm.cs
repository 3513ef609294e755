namespace NativeDiffusion.Bench.Arms;

/// <summary>One way to take guided sampler steps for a batch, state and history kept between them.</summary>
internal interface ISamplerArm : IDisposable
{
    /// <summary>Sets the state [N, H, W, C].</summary>
    void Start(ReadOnlySpan<float> state);

    /// <summary>One evaluation and update by a row of the table.</summary>
    void Step(int row);

    /// <summary>A copy of the state.</summary>
    float[] Download();
}
