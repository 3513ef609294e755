using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Runtime;

/// <summary>Plans of random graphs: values and gradients against the same graph in double.</summary>
[TestFixture]
public sealed class PlanFuzzTests
{
    private const int Few = 400, Many = 20_000;

    [Test]
    public void Random_graphs_have_the_values_and_gradients_of_their_definition() => Check(0, Few);

    [Test, Explicit("Minutes.")]
    public void Many_random_graphs_have_the_values_and_gradients_of_their_definition() => Check(Few, Many);

    private static void Check(int first, int count)
    {
        using var kernels = new CpuKernels(2);
        for (int seed = first; seed < first + count; seed++) Check(kernels, seed);
    }

    private static void Check(IKernels kernels, int seed)
    {
        var graph = new RandomGraph(seed, 3 + seed % 10);
        // The first leaf is a weight in half of the graphs, so that its gradient goes by another way.
        bool hasParameter = seed % 2 == 0;
        using var parameters = new Parameters(kernels);
        var b = new PlanBuilder(kernels, parameters);
        var tensors = graph.Record(b, (i, shape) =>
        {
            if (i > 0 || !hasParameter) return b.Input($"leaf{i}", shape);
            parameters.Add("leaf", shape);
            return b.Parameter("leaf");
        });
        Tensor output = b.Output("output", tensors[^1]), cotangent = b.Input("cotangent", output.Shape);
        // Leaves, and every third of the nodes between: what was asked for keeps its gradient to itself.
        // All rows of a tensor are the tensor, whose gradient is that of the node before.
        int[] asked = [.. graph.Ways.Where(i => i < 3 ? i > 0 || !hasParameter : i % 3 == 0 && !tensors[i].IsBypassed && Array.IndexOf(tensors, tensors[i]) == i)];
        bool reachesParameter = hasParameter && graph.Ways.Contains(0);
        if (asked.Length == 0 && !reachesParameter) return;
        b.Backward(output, cotangent, reachesParameter, [.. asked.Select(i => tensors[i]).Distinct()]);
        Tensor[] gradients = [.. asked.Select(i => b.GradientOf(tensors[i]))];
        foreach (var gradient in gradients.Distinct()) b.Output($"d{Array.IndexOf(gradients, gradient)}", gradient);
        using var plan = b.Build();
        for (int i = 0; i < graph.Values.Length; i++) kernels.Upload([.. graph.Values[i].Select(v => (float)v)], tensors[i].View);
        kernels.Upload([.. graph.Cotangent.Select(v => (float)v)], cotangent.View);
        plan.Run();
        double[] expected = graph.Evaluate();
        float[] got = Read(kernels, output.View);
        for (int i = 0; i < got.Length; i++)
            if (!(Math.Abs(got[i] - expected[i]) <= 1e-4 * (1 + Math.Abs(expected[i]))))
                Assert.Fail($"Seed {seed}: element {i} is {got[i]}, should be {expected[i]}.{Environment.NewLine}{graph}");
        for (int k = 0; k < asked.Length; k++) CheckGradient(graph, seed, asked[k], Read(kernels, gradients[k].View));
        if (reachesParameter) CheckGradient(graph, seed, 0, Read(kernels, parameters.GradientOf(parameters["leaf"])));
    }

    private static void CheckGradient(RandomGraph graph, int seed, int node, float[] got)
    {
        const double H = 1e-4;
        var random = new Random(seed);
        double[] direction = [.. got.Select(_ => 2 * random.NextDouble() - 1)];
        double Loss(double step) => graph.Evaluate(node, direction, step).Zip(graph.Cotangent, (y, c) => y * c).Sum();
        double expected = (Loss(H) - Loss(-H)) / (2 * H), along = got.Zip(direction, (g, d) => g * d).Sum(), size = got.Zip(direction, (g, d) => Math.Abs(g * d)).Sum();
        if (!(Math.Abs(along - expected) <= 1e-5 + 1e-4 * Math.Max(size, Math.Abs(expected))))
            Assert.Fail($"Seed {seed}: the gradient towards {node} ({graph.Describe(node)}) is {along} along a direction, should be {expected}.{Environment.NewLine}{graph}");
    }

    private static float[] Read(IKernels kernels, TensorView view)
    {
        float[] values = new float[view.Count];
        kernels.Download(view, values);
        return values;
    }
}
