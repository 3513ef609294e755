using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Bench.Arms;

/// <summary>
/// Guided steps as <see cref="GuidedSampler"/> takes them: for each group of images one plan over the doubled batch that ends in the fused step.
/// The sampler takes all steps of a group before the next; here each group has a sampler, so that the groups' states live side by side.
/// </summary>
internal sealed class FusedSampler : ISamplerArm
{
    private readonly IKernels _kernels;
    private readonly Arena _arena;
    private readonly Group[] _groups;

    private sealed record Group(GuidedSampler Sampler, SampleRequest[] Requests)
    {
        public TensorView State { get; set; }
    }

    public FusedSampler(DiffusionModel model, SamplerTable table, int batch, double scale)
    {
        (_kernels, _arena) = (model.Kernels, new Arena(model.Kernels));
        SampleRequest[] requests = [.. Enumerable.Range(0, batch).Select(i => new SampleRequest(i % model.NullLabel, new GuidanceScale(scale), i))];
        using var whole = new GuidedSampler(model, table, arena: _arena);
        _groups = [.. Enumerable.Range(0, whole.Groups(batch)).Select(g =>
        {
            var (start, count) = whole.Group(batch, g);
            Group group = null!;
            var options = new GuidedSamplerOptions { Batch = count, AfterEvaluation = (_, state) => group.State = state };
            group = new Group(new GuidedSampler(model, table, options, _arena), requests[start..(start + count)]);
            // Builds the plan, and shows where the state is.
            group.Sampler.Advance(group.Requests, 0);
            return group;
        })];
    }

    public void Start(ReadOnlySpan<float> state)
    {
        foreach (var group in _groups)
        {
            _kernels.Upload(state[..(int)group.State.Count], group.State);
            state = state[(int)group.State.Count..];
        }
    }

    public void Step(int row)
    {
        foreach (var group in _groups) group.Sampler.Advance(group.Requests, row);
    }

    public float[] Download() => [.. _groups.SelectMany(group =>
    {
        float[] state = new float[group.State.Count];
        _kernels.Download(group.State, state);
        return state;
    })];

    public void Dispose()
    {
        foreach (var group in _groups) group.Sampler.Dispose();
        _arena.Dispose();
    }
}
