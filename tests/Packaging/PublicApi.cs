using System.Globalization;
using System.Reflection;

namespace NativeDiffusion.Tests.Packaging;

/// <summary>The public members of an assembly as lines of text.</summary>
internal static class PublicApi
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static readonly NullabilityInfoContext Nullability = new();

    // What the compiler gives every record or enumeration says nothing of its own.
    private static readonly HashSet<string> Generated = ["Equals", "GetHashCode", "ToString", "<Clone>$", "PrintMembers", "op_Equality", "op_Inequality", "EqualityContract", "get_EqualityContract", "value__"];

    public static IEnumerable<string> Of(Assembly assembly) => assembly.GetExportedTypes().SelectMany(Of).Order(StringComparer.Ordinal).Distinct();

    private static IEnumerable<string> Of(Type type)
    {
        string name = Name(type);
        string kind = type.IsEnum ? "enum" : type.IsInterface ? "interface" : typeof(Delegate).IsAssignableFrom(type) ? "delegate" : type.IsValueType ? "struct"
            : type is { IsAbstract: true, IsSealed: true } ? "static class" : type.IsAbstract ? "abstract class" : type.IsSealed ? "sealed class" : "class";
        var bases = (type.BaseType is { } parent && parent != typeof(object) && parent != typeof(ValueType) && parent != typeof(Enum) && parent != typeof(MulticastDelegate) ? [parent] : Type.EmptyTypes)
            .Concat(type.GetInterfaces().Where(i => i.IsPublic && !i.Name.StartsWith("IEquatable", StringComparison.Ordinal))).Select(Name).Order(StringComparer.Ordinal).ToArray();
        yield return $"{name}: {kind}{(bases.Length == 0 || type.IsEnum ? "" : " of " + string.Join(", ", bases))}";
        foreach (var field in type.GetFields(Declared).Where(f => IsSeen(f.IsPublic, f.IsFamily || f.IsFamilyOrAssembly) && !Generated.Contains(f.Name)))
            yield return type.IsEnum
                ? $"{name}.{field.Name} = {Convert.ToInt64(field.GetRawConstantValue(), CultureInfo.InvariantCulture)}"
                : $"{name}.{field.Name}: {(field.IsLiteral ? "const " : field.IsInitOnly ? "readonly " : "")}{Name(field.FieldType)}{(field.IsLiteral ? $" = {Text(field.GetRawConstantValue())}" : "")}";
        foreach (var constructor in type.GetConstructors(Declared).Where(IsSeen)) yield return $"{name}.new{Parameters(constructor)}";
        foreach (var property in type.GetProperties(Declared).Where(p => p.GetAccessors(true).Any(IsSeen) && !Generated.Contains(p.Name)))
            yield return $"{name}.{property.Name}{(property.GetIndexParameters().Length > 0 ? "[]" : "")}: {Modifiers(property.GetAccessors(true)[0])}{Name(property.PropertyType)}{Mark(Nullability.Create(property))} {{{Accessors(property)} }}";
        foreach (var method in type.GetMethods(Declared).Where(m => IsSeen(m) && !Generated.Contains(m.Name) && !(m.IsSpecialName && !m.Name.StartsWith("op_", StringComparison.Ordinal))))
            yield return $"{name}.{method.Name}{(method.IsGenericMethod ? $"<{string.Join(", ", method.GetGenericArguments().Select(a => a.Name))}>" : "")}{Parameters(method)}: {Modifiers(method)}{Name(method.ReturnType)}{Mark(Nullability.Create(method.ReturnParameter))}";
    }

    private static bool IsSeen(MethodBase method) => IsSeen(method.IsPublic, method.IsFamily || method.IsFamilyOrAssembly) && !(method.DeclaringType!.IsSealed && !method.IsPublic);

    private static bool IsSeen(bool isPublic, bool isProtected) => isPublic || isProtected;

    private static string Accessors(PropertyInfo property)
    {
        string set = property.SetMethod is { } setter && IsSeen(setter)
            ? setter.ReturnParameter.GetRequiredCustomModifiers().Any(m => m.Name == "IsExternalInit") ? " init;" : " set;" : "";
        bool required = property.GetCustomAttributes().Any(a => a.GetType().Name == "RequiredMemberAttribute");
        return (property.GetMethod is { } getter && IsSeen(getter) ? " get;" : "") + set + (required ? " required" : "");
    }

    private static string Modifiers(MethodInfo method) => (method.IsPublic ? "" : "protected ") + (method.IsStatic ? "static " : method.DeclaringType!.IsInterface ? (method.IsAbstract ? "" : "default ")
        : method.IsAbstract ? "abstract " : method.IsVirtual && !method.IsFinal ? method.GetBaseDefinition() == method ? "virtual " : "override " : "");

    private static string Parameters(MethodBase method) => "(" + string.Join(", ", method.GetParameters().Select(p =>
        $"{(p.IsOut ? "out " : p.ParameterType.IsByRef ? "ref " : p.IsDefined(typeof(ParamArrayAttribute)) ? "params " : "")}{Name(p.ParameterType)}{Mark(Nullability.Create(p))} {p.Name}{(p.HasDefaultValue ? $" = {Text(p.RawDefaultValue)}" : "")}")) + ")";

    private static string Mark(NullabilityInfo info) => info is { ReadState: NullabilityState.Nullable, Type.IsValueType: false } ? "?" : "";

    private static string Text(object? value) => value switch { null => "null", string text => $"\"{text}\"", bool truth => truth ? "true" : "false", IFormattable number => number.ToString(null, CultureInfo.InvariantCulture), _ => value.ToString()! };

    private static string Name(Type type)
    {
        if (type.IsByRef) return Name(type.GetElementType()!);
        if (type.IsArray) return Name(type.GetElementType()!) + "[]";
        if (type.IsPointer) return Name(type.GetElementType()!) + "*";
        if (Nullable.GetUnderlyingType(type) is { } value) return Name(value) + "?";
        if (type.IsGenericParameter) return type.Name;
        string name = (type.DeclaringType is { } outer && !type.IsGenericParameter ? Name(outer) + "." : IsOurs(type) ? $"{type.Namespace!["NativeDiffusion.".Length..]}." : "") + type.Name.Split('`')[0];
        return type.IsGenericType ? $"{name}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>" : name;
    }

    private static bool IsOurs(Type type) => type.Namespace?.StartsWith("NativeDiffusion.", StringComparison.Ordinal) == true;
}
