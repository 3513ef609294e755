using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Gpu;

/// <summary>Runs kernels on the CPU and on a device with the same tensors, guarded on both sides, and compares all that they hold afterwards.</summary>
internal sealed class BothBackends(string device) : IDisposable
{
    private const float Guard = 777;
    private readonly CpuKernels _cpu = new(1);
    private readonly Random _random = new(5);

    public IKernels Device { get; } = GpuUnderTest.Open(device);

    public Input Values(Shape shape, double scale = 1) => new(shape, [.. Enumerable.Range(0, (int)shape.Count).Select(_ => (float)((_random.NextDouble() - 0.5) * 4 * scale))]);

    public static Input Indices(params int[] values) => new(new Shape(values.Length), [.. values.Select(BitConverter.Int32BitsToSingle)]);

    /// <summary>Tensors begin <paramref name="offset"/> floats into their memory: on 128 bits if it is a multiple of 4. The tolerance is relative above 1.</summary>
    public void AssertAgree(string what, Input[] inputs, int offset, double tolerance, Action<IKernels, TensorView[]> act)
    {
        float[][] expected = Run(_cpu, inputs, offset, act), got = Run(Device, inputs, offset, act);
        for (int t = 0; t < expected.Length; t++)
            for (int i = 0; i < expected[t].Length; i++)
            {
                float e = expected[t][i], g = got[t][i];
                if (!(BitConverter.SingleToInt32Bits(e) == BitConverter.SingleToInt32Bits(g) || float.IsNaN(e) && float.IsNaN(g)
                    || Math.Abs((double)e - g) <= tolerance * (1 + Math.Abs(e))))
                    Assert.Fail($"{what}, offset {offset}: tensor {t}, element {i - offset} is {g:g9} on the device and {e:g9} on the CPU.");
            }
    }

    public static float[][] Run(IKernels kernels, Input[] inputs, int offset, Action<IKernels, TensorView[]> act)
    {
        var whole = new TensorView[inputs.Length];
        var views = new TensorView[inputs.Length];
        try
        {
            for (int i = 0; i < inputs.Length; i++)
            {
                if (inputs[i].Data.Length == 0) continue;
                float[] padded = [.. Enumerable.Repeat(Guard, offset), .. inputs[i].Data, .. Enumerable.Repeat(Guard, 8)];
                whole[i] = new TensorView(kernels.Allocate(padded.Length), 0, new Shape(padded.Length));
                kernels.Upload(padded, whole[i]);
                views[i] = new TensorView(whole[i].Memory!, offset, inputs[i].Shape);
            }
            act(kernels, views);
            return [.. whole.Select(w =>
            {
                float[] result = new float[w.IsEmpty ? 0 : w.Count];
                if (!w.IsEmpty) kernels.Download(w, result);
                return result;
            })];
        }
        finally
        {
            foreach (var w in whole) w.Memory?.Dispose();
        }
    }

    public void Dispose()
    {
        Device.Dispose();
        _cpu.Dispose();
    }

    /// <summary>A tensor and what it holds before; without data it is left out.</summary>
    internal readonly record struct Input(Shape Shape, float[] Data)
    {
        public static Input None => new(new Shape(1), []);
    }
}
