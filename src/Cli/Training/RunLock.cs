using System.Globalization;
using System.Text;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Cli.Training;

/// <summary>
/// Makes a folder one training's own: a file that says which process on which computer, locked as long as that lives. The lock ends with its process, however that ends,
/// so that no file of a dead one is in the way.
/// </summary>
internal sealed class RunLock : IDisposable
{
    public const string FileName = "train.lock";

    private const int Attempts = 3;

    private readonly FileStream _file;

    private RunLock(FileStream file) => _file = file;

    /// <summary>Takes the lock of a folder.</summary>
    /// <exception cref="IOException">Another training has it; the message names its process.</exception>
    public static RunLock Take(string folder)
    {
        string path = Path.Combine(folder, FileName);
        if (new FileInfo(path).LinkTarget is not null) throw new IOException($"'{path}' is a link; a training makes that file anew. Remove it.");
        InputFile.RequireRegular(path);
        for (int attempt = 1; ; attempt++)
        {
            string owner = PosixFile.ReadStart(path);
            FileStream file;
            try
            {
                file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
            }
            catch (IOException e) when (File.Exists(path))
            {
                throw new IOException(
                    $"'{folder}' belongs to a training that is running{(owner.Length > 0 ? $" ({owner.Trim()})" : "")}. Wait for it, stop it, or choose another folder by --out.", e);
            }
            // Whoever had it before may have deleted it between our opening and our locking.
            if (!File.Exists(path) && attempt < Attempts)
            {
                file.Dispose();
                continue;
            }
            file.SetLength(0);
            file.Write(Encoding.UTF8.GetBytes(string.Create(
                CultureInfo.InvariantCulture, $"process {Environment.ProcessId} on {Environment.MachineName}, since {DateTime.UtcNow:yyyy-MM-dd HH:mm:ss} UTC\n")));
            file.Flush();
            return new RunLock(file);
        }
    }

    public void Dispose() => _file.Dispose();
}
