using System.Reflection;
using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Runtime;

/// <summary>
/// Every public op of a builder with arguments at random: each combination is refused by an exception that says what is wrong, or runs inside its own memory.
/// </summary>
[TestFixture]
public sealed class OpArgumentFuzzTests
{
    private const int Few = 600, Many = 40_000, Guard = 64;

    // What is no op, or has no arguments to get wrong.
    private static readonly string[] Others =
    [
        nameof(PlanBuilder.Record), nameof(PlanBuilder.OnBackward), nameof(PlanBuilder.Backward), nameof(PlanBuilder.GradientOf), nameof(PlanBuilder.NeedsGradient), nameof(PlanBuilder.PassGradient),
        nameof(PlanBuilder.GradientTarget), nameof(PlanBuilder.Output),
    ];

    private static readonly int[] Integers = [-1, 0, 1, 2, 3, 4, 7, int.MaxValue];
    private static readonly double[] Numbers = [-1, 0, 0.1, 0.5, 1, 2.5, double.NaN, double.PositiveInfinity];

    private static IEnumerable<TestCaseData> Ops => Methods.Select(m => new TestCaseData(m).SetArgDisplayNames($"{m.Name}, {m.GetParameters().Length} arguments of {m.GetParameters()[^1].ParameterType.Name}"));

    private static IEnumerable<MethodInfo> Methods => typeof(PlanBuilder).GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly)
        .Where(m => !m.IsGenericMethod && !Others.Contains(m.Name) && m.GetParameters().Any(p => p.ParameterType == typeof(Tensor)));

    [TestCaseSource(nameof(Ops))]
    public void Wrong_arguments_are_refused_or_stay_inside_their_memory(MethodInfo op) => Assert.That(Try(op, Few), Is.GreaterThan(0), "No call was accepted.");

    [TestCaseSource(nameof(Ops)), Explicit("Minutes.")]
    public void Many_wrong_arguments_are_refused_or_stay_inside_their_memory(MethodInfo op) => Try(op, Many);

    private static int Try(MethodInfo op, int count)
    {
        using var kernels = new CpuKernels(1);
        using var arena = new Arena(kernels);
        int accepted = 0;
        for (int seed = 0; seed < count; seed++) accepted += Try(op, kernels, arena, new Random(seed), seed) ? 1 : 0;
        return accepted;
    }

    private static bool Try(MethodInfo op, IKernels kernels, Arena arena, Random random, int seed)
    {
        var b = new PlanBuilder(kernels);
        Shape shape = RandomShape(random);
        var inputs = new List<Tensor>();
        object?[] arguments = [.. op.GetParameters().Select(p => Argument(p, random, shape, b, inputs))];
        string Said() => $"{op.Name}({string.Join(", ", arguments.Select(a => a ?? "null"))}), seed {seed}";
        try
        {
            _ = op.Invoke(b, arguments);
        }
        catch (TargetInvocationException e) when (IsRefusal(e.InnerException!))
        {
            return false;
        }
        catch (TargetInvocationException e)
        {
            Assert.Fail($"{Said()}: {e.InnerException}");
        }
        using var plan = b.Build(arena, Guard);
        float[] poison = new float[arena.Memory.Length];
        Array.Fill(poison, float.NaN);
        kernels.Upload(poison, new TensorView(arena.Memory, 0, new Shape(poison.Length)));
        foreach (var input in inputs)
            if (random.Next(3) == 0) kernels.Upload([.. Enumerable.Range(0, (int)input.Count).Select(_ => random.Next(-1, 3))], input.View);
            else kernels.Upload([.. Enumerable.Range(0, (int)input.Count).Select(_ => 0.1f + random.NextSingle())], input.View);
        try
        {
            plan.Run();
        }
        catch (ArgumentException)
        {
            return true;
        }
        catch (Exception e)
        {
            Assert.Fail($"{Said()}: {e}");
        }
        foreach (var tensor in plan.Planned)
        {
            float[] after = new float[Guard];
            kernels.Download(new TensorView(arena.Memory, tensor.View.Offset + tensor.Count, new Shape(Guard)), after);
            if (!after.All(float.IsNaN)) Assert.Fail($"{Said()} wrote behind {tensor}.");
        }
        return true;
    }

    private static bool IsRefusal(Exception e) => e is ArgumentException or InvalidOperationException or OverflowException;

    private static object? Argument(ParameterInfo parameter, Random random, Shape shape, PlanBuilder b, List<Tensor> inputs)
    {
        var type = parameter.ParameterType;
        bool optional = parameter.HasDefaultValue && random.Next(2) == 0;
        if (type == typeof(Tensor))
        {
            if (optional || new NullabilityInfoContext().Create(parameter).WriteState == NullabilityState.Nullable && random.Next(2) == 0) return null;
            if (inputs.Count > 0 && random.Next(6) == 0) return inputs[random.Next(inputs.Count)];
            var tensor = b.Input(parameter.Name!, inputs.Count == 0 ? shape : random.Next(5) > 0 && Fitting(parameter.Name!, shape, inputs, random) is { } fitting ? fitting : Related(shape, random));
            inputs.Add(tensor);
            return tensor;
        }
        if (optional) return parameter.DefaultValue;
        var plain = Nullable.GetUnderlyingType(type) ?? type;
        if (plain == typeof(int) && parameter.Name == "channels" && shape.Rank > 0 && random.Next(2) == 0) return shape.Channels;
        // The greatest number would make a tensor of that size where it is an extent.
        if (plain == typeof(int)) return Integers[random.Next(parameter.Name is "dim" or "classes" ? Integers.Length - 1 : Integers.Length)];
        if (plain == typeof(float)) return (float)Numbers[random.Next(Numbers.Length)];
        if (plain == typeof(double)) return Numbers[random.Next(Numbers.Length)];
        if (plain == typeof(bool)) return random.Next(2) == 0;
        if (plain == typeof(Shape)) return Related(shape, random);
        if (plain.IsEnum) return Enum.ToObject(plain, random.Next(Enum.GetValues(plain).Length + 1));
        if (plain == typeof(ResampleTable)) return ResampleTable.Gaussian(shape.Rank > 1 ? shape[1] : 2, 1);
        if (plain == typeof(FrequencyGuidanceOptions)) return new FrequencyGuidanceOptions { Bands = [.. Enumerable.Range(0, random.Next(4)).Select(_ => new FrequencyBand(Numbers[random.Next(Numbers.Length)]))], GuidedChannels = random.Next(3) };
        if (plain == typeof(Conv2dOptions)) return new Conv2dOptions { Stride = Integers[random.Next(5)], Padding = random.Next(2) == 0 ? null : Integers[random.Next(5)], EndPadding = random.Next(2) == 0 ? null : Integers[random.Next(5)] };
        if (plain == typeof(DepthwiseConv2dOptions))
        {
            (int, int) Pair() => (Integers[random.Next(5)], Integers[random.Next(5)]);
            return new DepthwiseConv2dOptions { Stride = Pair(), Dilation = Pair(), Padding = Pair(), EndPadding = Pair() };
        }
        if (plain == typeof(Slot<GuidanceWeightsOptions>)) return new Slot<GuidanceWeightsOptions>(new GuidanceWeightsOptions { Kind = (GuidanceWeightsKind)random.Next(6), GuidedChannels = random.Next(4) });
        if (plain == typeof(Slot<ProjectedGuidanceOptions>)) return new Slot<ProjectedGuidanceOptions>(new ProjectedGuidanceOptions { Threshold = random.Next(3), PerChannel = random.Next(2) == 0, GuidedChannels = random.Next(4) });
        if (plain == typeof(Slot<GuidedStepRow>)) return new Slot<GuidedStepRow>(RandomRow(random));
        return plain.GetConstructors()[0].Invoke([Activator.CreateInstance(plain.GetGenericArguments()[0])]);
    }

    /// <summary>The shape that an op asks for beside those before, where chance would hardly meet it; null for any other argument.</summary>
    private static Shape? Fitting(string name, Shape first, List<Tensor> inputs, Random random) => name switch
    {
        "gamma" or "beta" or "bias" when first.Rank > 0 => new Shape(first.Channels),
        "branchRow" => new Shape(random.Next(1, 3), random.Next(1, 3)),
        "weight" when inputs.Find(t => t.Name == "branchRow")?.Shape is { Rank: 2 } rows => new Shape(rows[0], rows[1] + 1),
        _ => null,
    };

    private static GuidedStepRow RandomRow(Random random)
    {
        float Weight() => random.Next(2);
        bool Flag() => random.Next(2) == 0;
        return new GuidedStepRow
        {
            StepIndex = random.Next(4), XFromZ = Weight(), XFromG = Weight(), A = Weight(), B = Weight(), E = Weight(), F = Weight(), P = Weight(), P2 = Weight(), P3 = Weight(), Q = Weight(), C = Weight(),
            LearnedVariance = Flag(), StoreHistory = Flag(), ShiftHistories = random.Next(3), StoreState = Flag(), Clip = Flag(), XFromShift = Weight(), YFromShift = Weight(), YFromVariance = Weight(),
            GuidedChannels = random.Next(3),
        };
    }

    private static Shape RandomShape(Random random)
    {
        int[] extents = [.. Enumerable.Range(0, random.Next(5)).Select(_ => random.Next(1, 5))];
        if (extents.Length > 0 && random.Next(2) == 0) extents[^1] = 3 * random.Next(1, 5);
        return extents.Length switch
        {
            0 => new Shape(),
            1 => new Shape(extents[0]),
            2 => new Shape(extents[0], extents[1]),
            3 => new Shape(extents[0], extents[1], extents[2]),
            _ => new Shape(extents[0], extents[1], extents[2], extents[3]),
        };
    }

    /// <summary>A shape that an op might want beside another, or any.</summary>
    private static Shape Related(Shape shape, Random random)
    {
        if (shape.Rank == 0) return RandomShape(random);
        int rows = shape.Batch, channels = shape.Channels;
        return random.Next(14) switch
        {
            0 or 1 or 2 => shape,
            3 => new Shape(rows),
            4 => new Shape(channels),
            5 => new Shape(rows, channels),
            6 => new Shape(rows, 2 * channels),
            7 => new Shape(random.Next(1, 5), channels),
            8 => shape.WithBatch(random.Next(1, 5)),
            9 => new Shape(rows, random.Next(1, 4)),
            10 => new Shape(random.Next(1, 4), 3, 3, channels),
            11 or 12 when channels % 2 == 0 => shape.WithChannels(channels / 2),
            _ => RandomShape(random),
        };
    }
}
