using System.Reflection;

namespace NativeDiffusion.Tests.Cases;

/// <summary>The cases of this assembly, and what they compute with.</summary>
internal static class CaseData
{
    /// <summary>Every case of every <see cref="ICaseList"/>.</summary>
    public static IEnumerable<OpCase> All => typeof(CaseData).Assembly.GetTypes()
        .Where(t => t.IsClass && t.GetInterfaces().Contains(typeof(ICaseList)))
        .OrderBy(t => t.Name, StringComparer.Ordinal)
        .SelectMany(t => (IEnumerable<OpCase>)t.GetProperty(nameof(ICaseList.Cases), BindingFlags.Public | BindingFlags.Static)!.GetValue(null)!);

    /// <summary>Inputs, and a cotangent of the output, the same in every run.</summary>
    public static (float[][] Data, float[] Cotangent) Fill(OpCase testCase)
    {
        var random = new Random(testCase.Name.Aggregate(7, (hash, c) => unchecked(hash * 31 + c)));
        double Normal() => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
        float[][] data = [.. testCase.Inputs.Select(spec => Enumerable.Range(0, (int)spec.Shape.Count).Select(_ => spec.Fill switch
        {
            Tests.Cases.Fill.Normal => (float)(Normal() * spec.Scale),
            Tests.Cases.Fill.Positive => (float)((random.NextDouble() + 1e-3) * spec.Scale),
            _ => BitConverter.Int32BitsToSingle(random.Next((int)spec.Scale)),
        }).ToArray())];
        int outputs = testCase.Oracle(Widen(testCase, data)).Data.Length;
        return (data, [.. Enumerable.Range(0, outputs).Select(_ => (float)Normal())]);
    }

    /// <summary>The inputs for an oracle.</summary>
    public static DoubleTensor[] Widen(OpCase testCase, float[][] data) => [.. testCase.Inputs.Select((spec, i) => new DoubleTensor(
        spec.Shape, [.. data[i].Select(v => spec.Fill == Tests.Cases.Fill.Index ? BitConverter.SingleToInt32Bits(v) : (double)v)]))];
}
