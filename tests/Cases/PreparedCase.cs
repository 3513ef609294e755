using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Cases;

/// <summary>A case recorded into a plan with backward, its arena poisoned and its inputs filled.</summary>
internal sealed class PreparedCase : IDisposable
{
    private const int Guard = 64;
    private readonly IKernels _kernels;
    private readonly Arena _arena;
    private readonly Tensor[] _inputs;
    private readonly Tensor?[] _gradients;
    private readonly float[][] _data;

    public PreparedCase(OpCase testCase, IKernels kernels, float[][] data, float[] cotangent, int row = -1, Action<IKernels, TensorView>? forget = null)
    {
        _kernels = kernels;
        _arena = new Arena(kernels);
        var builder = new PlanBuilder(kernels) { Training = testCase.Training };
        bool Sliced(InputSpec spec) => row >= 0 && spec.Batched;
        _inputs = [.. testCase.Inputs.Select(spec => builder.Input(spec.Name, Sliced(spec) ? spec.Shape.WithBatch(1) : spec.Shape))];
        _data = [.. testCase.Inputs.Select((spec, i) => Sliced(spec) ? Row(data[i], row, spec.Shape.Batch) : data[i])];
        var output = testCase.Record(builder, _inputs);
        builder.Output("output", output);
        var dy = builder.Input("cotangent", output.Shape);
        Tensor[] leaves = [.. _inputs.Where((_, i) => testCase.Inputs[i].Differentiable)];
        if (leaves.Length > 0) builder.Backward(output, dy, parameters: false, leaves);
        _gradients = [.. _inputs.Select((t, i) => testCase.Inputs[i].Differentiable ? builder.Output("d_" + t.Name, builder.GradientOf(t)) : null)];
        Plan = builder.Build(_arena, Guard);
        float[] poison = new float[_arena.Memory.Length];
        Array.Fill(poison, float.NaN);
        kernels.Upload(poison, new TensorView(_arena.Memory, 0, new Shape(poison.Length)));
        // A device that knows what was written tells more than a NaN does.
        if (forget is not null)
            foreach (var tensor in Plan.Planned) forget(kernels, tensor.View);
        for (int i = 0; i < _inputs.Length; i++) kernels.Upload(_data[i], _inputs[i].View);
        kernels.Upload(row >= 0 && output.Shape.Batch == 1 ? Row(cotangent, row, (int)(cotangent.Length / output.Count)) : cotangent, dy.View);
    }

    public Plan Plan { get; }

    public float[] Output => Download(Plan.Output("output"));

    public float[]? Gradient(int input) => _gradients[input] is { } gradient ? Download(gradient.View) : null;

    /// <summary>Fails when a step wrote outside its tensors or changed an input.</summary>
    public void AssertMemoryIntact(string name)
    {
        foreach (var tensor in Plan.Planned)
        {
            var view = tensor.View;
            float[] after = Download(new TensorView(view.Memory!, view.Offset + view.Count, new Shape(Guard)));
            for (int i = 0; i < Guard; i++)
                if (!float.IsNaN(after[i]))
                    Assert.Fail($"{name}: element {i} after {tensor} was overwritten with {after[i]}.");
        }
        for (int i = 0; i < _inputs.Length; i++)
            if (!Bits(Download(_inputs[i].View)).SequenceEqual(Bits(_data[i])))
                Assert.Fail($"{name}: input {_inputs[i]} was changed.");
    }

    public void Dispose()
    {
        Plan.Dispose();
        _arena.Dispose();
    }

    public static IEnumerable<int> Bits(float[] values) => values.Select(BitConverter.SingleToInt32Bits);

    public static float[] Row(float[] data, int row, int rows)
    {
        int length = data.Length / rows;
        return data[(row * length)..((row + 1) * length)];
    }

    private float[] Download(TensorView view)
    {
        float[] result = new float[view.Count];
        _kernels.Download(view, result);
        return result;
    }
}
