using System.Reflection;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Packaging;

/// <summary>Two applications in one process do not see each other: no static field of a library changes.</summary>
public sealed class StaticStateTests
{
    private static readonly string[] Libraries = ["NativeDiffusion.Kernels", "NativeDiffusion.Runtime", "NativeDiffusion.Model", "NativeDiffusion.Kernels.Gpu", "NativeDiffusion.Pictures", "NativeDiffusion.Onnx"];

    [TestCaseSource(nameof(Libraries))]
    public void Static_fields_are_set_once(string library)
    {
        // What the compiler keeps (delegates of lambdas, generated serialisation) is the same whoever makes it.
        var changeable = Assembly.Load(library).GetTypes()
            .SelectMany(t => t.GetFields(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            .Where(f => !f.IsInitOnly && !f.IsLiteral && !f.Name.Contains('<') && !f.DeclaringType!.Name.Contains('<') && !typeof(System.Text.Json.Serialization.JsonSerializerContext).IsAssignableFrom(f.DeclaringType));
        Assert.That(changeable.Select(f => $"{f.DeclaringType}.{f.Name}"), Is.Empty);
    }
}
