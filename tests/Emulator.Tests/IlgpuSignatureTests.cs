using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;
using System.Text;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Emulator;

/// <summary>
/// Every public member that the emulator declares in ILGPU's namespaces must exist in ILGPU with the same signature. Runs where the
/// environment variable ND_ILGPU_ASSEMBLIES names the folder of ILGPU.dll; it is loaded apart from the emulator, and types
/// are compared by name.
/// </summary>
[TestFixture]
public class IlgpuSignatureTests
{
    private const string Variable = "ND_ILGPU_ASSEMBLIES";

    private const BindingFlags Declared =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly;

    [Test]
    public void TheEmulatorDeclaresWhatItSays()
    {
        // The check below compares this list; it must not be empty, nor hold what is the emulator's own.
        var members = MembersOf(EmulatedTypes()).ToList();
        Assert.That(members, Has.Count.GreaterThan(100));
        Assert.That(members, Has.Some.EqualTo("ILGPU.ArrayView`1: ref T this[System.Int32 index]"));
        Assert.That(members, Has.Some.EqualTo("ILGPU.Group: static void Barrier()"));
        Assert.That(members, Has.None.Contains("IlgpuEmulator"));
    }

    [Test]
    public void EveryMemberExistsInIlgpu()
    {
        string? folder = Environment.GetEnvironmentVariable(Variable);
        if (string.IsNullOrEmpty(folder))
            Assert.Ignore($"Set {Variable} to the folder of ILGPU.dll, version 1.5.3, to compare with it.");
        var context = new AssemblyLoadContext("ILGPU", isCollectible: false);
        context.Resolving += (loader, name) =>
            File.Exists(Path.Combine(folder!, name.Name + ".dll"))
                ? loader.LoadFromAssemblyPath(Path.GetFullPath(Path.Combine(folder!, name.Name + ".dll")))
                : null;
        var real = context.LoadFromAssemblyPath(Path.GetFullPath(Path.Combine(folder!, "ILGPU.dll"))).GetExportedTypes();
        var names = EmulatedTypes().Select(type => type.FullName).ToHashSet();
        var existing = MembersOf(real.Where(type => names.Contains(type.FullName))).ToHashSet();
        var missing = MembersOf(EmulatedTypes()).Where(member => !existing.Contains(member)).ToList();
        Assert.That(missing, Is.Empty, string.Join(Environment.NewLine, missing));
    }

    private static IEnumerable<Type> EmulatedTypes() => typeof(ILGPU.Context).Assembly.GetExportedTypes()
        .Where(type => type.Namespace!.StartsWith("ILGPU", StringComparison.Ordinal));

    private static IEnumerable<string> MembersOf(IEnumerable<Type> types)
    {
        foreach (var type in types)
        {
            yield return $"{type.FullName}: {Kind(type)}{Constraints(type.GetGenericArguments())}";
            foreach (var contract in type.GetInterfaces().Where(contract => contract.IsPublic))
                yield return $"{type.FullName}: implements {Name(contract)}";
            foreach (var member in type.GetMembers(Declared))
            {
                if (Describe(type, member) is { } text)
                    yield return $"{type.FullName}: {text}";
            }
        }
    }

    private static string? Describe(Type type, MemberInfo member)
    {
        switch (member)
        {
            case FieldInfo field when IsVisible(field) && !type.IsEnum:
                return $"{(field.IsStatic ? "static " : "")}{(field.IsInitOnly ? "readonly " : "")}{Name(field.FieldType)} {field.Name}";
            case FieldInfo { IsLiteral: true } field when type.IsEnum:
                return $"{field.Name} = {Convert.ToInt64(field.GetRawConstantValue())}";
            case ConstructorInfo constructor when IsVisible(constructor) && constructor is { IsStatic: false }:
                return $"new({Parameters(constructor.GetParameters())})";
            case MethodInfo method when IsVisible(method) && !IsAccessor(method) && !IsOverrideOfObject(method):
                return $"{(method.IsStatic ? "static " : "")}{Name(method.ReturnType)} {method.Name}" +
                    $"{Arity(method)}({Parameters(method.GetParameters())}){Constraints(method.GetGenericArguments())}";
            case PropertyInfo property when property.GetMethod is { } getter && IsVisible(getter):
                var parameters = property.GetIndexParameters();
                string name = parameters.Length == 0 ? property.Name : $"this[{Parameters(parameters)}]";
                return $"{(getter.IsStatic ? "static " : "")}{Name(property.PropertyType)} {name}" +
                    (property.SetMethod is { } setter && setter.IsPublic ? " settable" : "");
            default:
                return null;
        }
    }

    private static bool IsVisible(FieldInfo field) => field.IsPublic || field.IsFamily || field.IsFamilyOrAssembly;

    private static bool IsVisible(MethodBase method) => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly;

    private static bool IsAccessor(MethodInfo method) =>
        method.IsSpecialName && !method.Name.StartsWith("op_", StringComparison.Ordinal);

    private static bool IsOverrideOfObject(MethodInfo method) =>
        method.GetBaseDefinition().DeclaringType is { Name: "Object" or "ValueType" or "Exception" or "DisposeBase" or "AcceleratorObject" }
        && method.GetBaseDefinition() != method;

    /// <summary>Parameters without the trailing caller-info ones, which are the emulator's own.</summary>
    private static string Parameters(ParameterInfo[] parameters) => string.Join(", ", parameters
        .Where(p => !p.IsDefined(typeof(CallerFilePathAttribute)) && !p.IsDefined(typeof(CallerLineNumberAttribute))
            && !p.IsDefined(typeof(CallerArgumentExpressionAttribute)))
        .Select(p => $"{(p.IsIn ? "in " : p.IsOut ? "out " : "")}{Name(p.ParameterType)} {p.Name}"));

    private static string Arity(MethodInfo method) => method.IsGenericMethod ? $"`{method.GetGenericArguments().Length}" : "";

    private static string Kind(Type type)
    {
        string kind = type.IsEnum ? "enum" : type.IsValueType ? "struct" : type.IsInterface ? "interface" : "class";
        if (type.IsDefined(typeof(IsReadOnlyAttribute)))
            kind = "readonly " + kind;
        if (kind == "class")
            kind = (type.IsAbstract ? "abstract " : "") + (type.IsSealed ? "sealed " : "") + kind;
        return kind;
    }

    private static string Constraints(Type[] arguments)
    {
        var text = new StringBuilder();
        foreach (var argument in arguments.Where(a => a.IsGenericParameter))
        {
            text.Append(" where ").Append(argument.Name).Append(": ")
                .Append(argument.GenericParameterAttributes & GenericParameterAttributes.SpecialConstraintMask)
                .Append(argument.CustomAttributes.Any(a => a.AttributeType.Name == "IsUnmanagedAttribute") ? " unmanaged " : " ")
                .AppendJoin(", ", argument.GetGenericParameterConstraints().Select(Name).Order(StringComparer.Ordinal));
        }
        return text.ToString();
    }

    private static string Name(Type type)
    {
        if (type == typeof(void))
            return "void";
        if (type.IsByRef)
            return "ref " + Name(type.GetElementType()!);
        if (type.IsArray)
            return Name(type.GetElementType()!) + "[]";
        if (type.IsGenericParameter)
            return type.Name;
        if (!type.IsGenericType)
            return type.FullName ?? type.Name;
        string definition = $"{type.Namespace}.{(type.DeclaringType is { } outer ? outer.Name + "+" : "")}{type.Name}";
        return $"{definition}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>";
    }
}
