using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Bench.Arms;

/// <summary>Guided steps as <see cref="GuidedSampler"/> takes them: one plan over the doubled batch that ends in the fused step.</summary>
internal sealed class FusedSampler : ISamplerArm
{
    private readonly IKernels _kernels;
    private readonly GuidedSampler _sampler;
    private readonly SampleRequest[] _requests;
    private TensorView _state;

    public FusedSampler(DiffusionModel model, SamplerTable table, int batch, double scale)
    {
        _kernels = model.Kernels;
        _requests = [.. Enumerable.Range(0, batch).Select(i => new SampleRequest(i % model.NullLabel, new GuidanceScale(scale), i))];
        _sampler = new GuidedSampler(model, table, new GuidedSamplerOptions { Batch = batch, AfterEvaluation = (_, state) => _state = state });
        // Builds the plan, and shows where the state is.
        _sampler.Advance(_requests, 0);
    }

    public void Start(ReadOnlySpan<float> state) => _kernels.Upload(state, _state);

    public void Step(int row) => _sampler.Advance(_requests, row);

    public float[] Download()
    {
        float[] state = new float[_state.Count];
        _kernels.Download(_state, state);
        return state;
    }

    public void Dispose() => _sampler.Dispose();
}
