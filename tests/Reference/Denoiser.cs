using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Schedules;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Tests.Reference;

/// <summary>
/// The inputs by which a plan turns a raw network F into the denoiser of Karras et al. 2022 (arXiv 2206.00364, eq. 7),
/// <c>D(x; s) = cSkip x + cOut F(cIn x, cNoise)</c>, with a noise level for each row.
/// </summary>
internal sealed class Denoiser
{
    private readonly Tensor _in, _noise, _skip, _out;
    private readonly float[] _values;

    public Denoiser(PlanBuilder b, int rows)
    {
        Tensor PerRow(string name) => b.Input(name, new Shape(rows));
        (_in, _noise, _skip, _out) = (PerRow("c_in"), PerRow("c_noise"), PerRow("c_skip"), PerRow("c_out"));
        _values = new float[rows];
    }

    /// <summary>Records D around a network that takes images and times; of a result with more channels than x, the first ones count.</summary>
    /// <param name="b">The plan.</param>
    /// <param name="x">[N, S, S, C], with the noise of the rows' levels.</param>
    /// <param name="network">F.</param>
    public Tensor Record(PlanBuilder b, Tensor x, Func<Tensor, Tensor, Tensor> network)
    {
        var f = network(b.ScaleRows(x, _in), _noise);
        if (f.Shape != x.Shape) f = b.Slice(f, 0, x.Shape.Channels);
        return b.Add(b.ScaleRows(x, _skip), b.ScaleRows(f, _out));
    }

    /// <summary>Sets the noise level of every row.</summary>
    public void Upload(IKernels kernels, INoiseSchedule schedule, Parameterization network, ReadOnlySpan<double> sigmas)
    {
        var levels = new NoiseLevel[sigmas.Length];
        for (int i = 0; i < levels.Length; i++) levels[i] = NoiseLevel.FromSigmaEdm(schedule, sigmas[i]);
        Set(_in, level => network.InEdmScale(level).InputScale);
        Set(_noise, level => level.Timestep);
        Set(_skip, level => network.InEdmScale(level).XFromZ);
        Set(_out, level => network.InEdmScale(level).XFromG);

        void Set(Tensor to, Func<NoiseLevel, double> value)
        {
            for (int i = 0; i < levels.Length; i++) _values[i] = (float)value(levels[i]);
            kernels.Upload(_values, to.View);
        }
    }
}
