using System.Collections.Concurrent;
using System.Reflection;
using System.Runtime.CompilerServices;
using ILGPU;

namespace IlgpuEmulator;

/// <summary>One kernel argument, by value.</summary>
internal abstract class Argument
{
    /// <summary>The value, boxed.</summary>
    internal abstract object Value { get; }

    /// <summary>Copies the value into a lane's frame.</summary>
    internal abstract unsafe void Write(byte* target);

    /// <summary>Adds the memory that the argument lets a kernel reach.</summary>
    internal abstract void CollectViews(List<ViewRange> ranges);
}

internal sealed class Argument<T>(T value) : Argument
    where T : struct
{
    internal override object Value => value;

    internal override unsafe void Write(byte* target)
    {
        if (RuntimeHelpers.IsReferenceOrContainsReferences<T>())
            throw new KernelSanitizerException(
                SanitizerFinding.Misuse, $"an argument of type {typeof(T).Name} holds references; kernels take values and views", "host");
        Unsafe.WriteUnaligned(target, value);
    }

    internal override void CollectViews(List<ViewRange> ranges) => ViewFields.Collect(value, ranges);
}

/// <summary>Finds the views inside argument structs.</summary>
internal static class ViewFields
{
    private static readonly ConcurrentDictionary<Type, FieldInfo[]> Fields = new();

    internal static void Collect(object value, List<ViewRange> ranges)
    {
        if (value is IContiguousArrayView view)
        {
            if (view.IsValid)
                ranges.Add(new ViewRange(view.Buffer.Memory.Number, view.IndexInBytes, view.LengthInBytes));
            return;
        }
        foreach (var field in Fields.GetOrAdd(value.GetType(), FieldsThatMayHoldViews))
            Collect(field.GetValue(value)!, ranges);
    }

    private static FieldInfo[] FieldsThatMayHoldViews(Type type) =>
        [.. type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)
            .Where(field => field.FieldType is { IsValueType: true, IsPrimitive: false, IsEnum: false } && field.FieldType != type)];
}
