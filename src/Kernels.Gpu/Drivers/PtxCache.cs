using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using ILGPU;
using ILGPU.Backends;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace NativeDiffusion.Kernels;

/// <summary>
/// The PTX of kernels that were compiled before, on disk: a folder for each build of the kernels and of ILGPU, in it a file for each kernel, architecture and
/// instruction set. A file that is damaged, or a folder that cannot be written, only costs the time of compiling.
/// </summary>
/// <param name="root">Folder of the folders.</param>
internal sealed class PtxCache(string root)
{
    /// <summary>Folder to use instead of the user's own; "off" compiles every time.</summary>
    public const string Variable = "ND_PTX_CACHE";

    private const int Hash = 64;
    private static readonly TimeSpan Unused = TimeSpan.FromDays(30);
    private readonly string _folder = Path.Combine(root, Build);

    /// <summary>Kernels that were found there, and those that were compiled.</summary>
    public int Found { get; private set; }

    public int Compiled { get; private set; }

    // Compilers give every build of an assembly a number of its own.
    private static string Build => Digest(string.Join('|', new[] { typeof(GpuEntry), typeof(CpuKernels), typeof(Context) }.Select(t => t.Module.ModuleVersionId)))[..16];

    /// <summary>The cache that the environment asks for; null for none.</summary>
    public static PtxCache? Open()
    {
        string? root = Environment.GetEnvironmentVariable(Variable);
        if (root == "off") return null;
        if (string.IsNullOrEmpty(root))
        {
            string caches = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } named ? named
                : OperatingSystem.IsWindows() ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
                : Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) is { Length: > 0 } home ? Path.Combine(home, ".cache") : "";
            if (!Path.IsPathRooted(caches)) return null;
            root = Path.Combine(caches, "NativeDiffusion", "ptx");
        }
        return new PtxCache(root);
    }

    /// <summary>A compiled kernel, from the file or the compiler.</summary>
    public CompiledKernel Get(CudaAccelerator accelerator, Type kernel, in EntryPointDescription entry, in KernelSpecialization specialization)
    {
        string key = $"{GpuKernelTypes.Name(kernel)}|{accelerator.Architecture}|{accelerator.InstructionSet}|{specialization.MaxNumThreadsPerGroup}|{entry.Name}";
        string path = Path.Combine(_folder, Digest(key)[..32] + ".ptx");
        if (Read(path) is { } ptx)
        {
            try
            {
                // Kernels here have shared memory of fixed size only, which the text declares by itself.
                var known = Create(accelerator.Context, new EntryPoint(entry, new SharedMemorySpecification(0, false), specialization), null, ptx);
                Found++;
                return known;
            }
            catch (MissingMethodException)
            {
                // Another ILGPU than the one this was written for: it compiles.
            }
        }
        var compiled = accelerator.CompileKernel(entry, specialization);
        Compiled++;
        if (compiled is PTXCompiledKernel text) Write(path, text.PTXAssembly);
        return compiled;
    }

    [UnsafeAccessor(UnsafeAccessorKind.Constructor)]
    private static extern PTXCompiledKernel Create(Context context, EntryPoint entry, CompiledKernel.KernelInfo? info, string ptx);

    private static string Digest(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    /// <summary>A file's text, which follows its own digest; null if there is none that is whole.</summary>
    private static string? Read(string path)
    {
        try
        {
            string text = File.ReadAllText(path);
            return text.Length > Hash && Digest(text[Hash..]) == text[..Hash] ? text[Hash..] : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private void Write(string path, string ptx)
    {
        try
        {
            if (!Directory.Exists(_folder))
            {
                Directory.CreateDirectory(_folder);
                Forget();
            }
            // Other processes see no half of it.
            string half = $"{path}.{Guid.NewGuid():n}";
            File.WriteAllText(half, Digest(ptx) + ptx);
            File.Move(half, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The next process compiles again.
        }
    }

    /// <summary>Deletes what builds of long ago left.</summary>
    private void Forget()
    {
        foreach (string folder in Directory.GetDirectories(root))
            if (DateTime.UtcNow - Directory.GetLastWriteTimeUtc(folder) > Unused && folder != _folder)
                Directory.Delete(folder, recursive: true);
    }
}
