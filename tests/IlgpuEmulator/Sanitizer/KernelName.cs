using System.Reflection;

namespace IlgpuEmulator;

/// <summary>Kernel methods as a reader of the source would write them.</summary>
internal static class KernelName
{
    internal static string Of(MethodInfo method)
    {
        string name = method.Name + Arguments(method.GetGenericArguments());
        return method.DeclaringType is { } type ? $"{Of(type)}.{name}" : name;
    }

    private static string Of(Type type)
    {
        int tick = type.Name.IndexOf('`', StringComparison.Ordinal);
        string name = tick < 0 ? type.Name : type.Name[..tick];
        return name + Arguments(type.GetGenericArguments());
    }

    private static string Arguments(Type[] types) => types.Length == 0 ? "" : $"<{string.Join(", ", types.Select(Of))}>";
}
