using System.Text;
using System.Text.RegularExpressions;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>What people take for weights and is none: says by the first bytes what a file really is, and what to do.</summary>
internal static partial class ForeignFile
{
    private const int Looked = 1024;

    private const string Picture = "not weights.", Quantised = "which is not read; get the model's safetensors or PyTorch file.", Unpack = "unpack it and give the file inside.";

    // What stands at the beginning of a file, or at a place after it; what it then is; what to do.
    private static readonly (int At, byte[] Bytes, string What, string Remedy)[] Kinds =
    [
        Of("\u0089PNG\r\n", "a PNG picture", Picture),
        Of("\u00ff\u00d8\u00ff", "a JPEG picture", Picture),
        Of("GIF8", "a GIF picture", Picture),
        Of("WEBP", "a WebP picture", Picture, at: 8),
        Of("II*\0", "a TIFF picture", Picture),
        Of("MM\0*", "a TIFF picture", Picture),
        Of("ftypavif", "an AVIF picture", Picture, at: 4),
        Of("ftyphe", "a HEIC picture", Picture, at: 4),
        Of("GGUF", "a GGUF file (quantised weights of llama.cpp and its relatives)", Quantised),
        Of("tjgg", "a GGML file (quantised weights)", Quantised),
        Of("lmgg", "a GGML file (quantised weights)", Quantised),
        Of("\u0089HDF\r\n\u001a\n", "an HDF5 file (as Keras writes)", "which is not read; save the weights as safetensors or .npz."),
        Of("MATLAB 5.0", "a MATLAB file", "which is not read; save its arrays as .npz."),
        Of("PAR1", "a Parquet file", "a data set, not weights."),
        Of("\u001f\u008b", "a gzip archive", Unpack),
        Of("\u00fd7zXZ\0", "an xz archive", Unpack),
        Of("7z\u00bc\u00af", "a 7-Zip archive", Unpack),
        Of("Rar!", "a RAR archive", Unpack),
        Of("(\u00b5/\u00fd", "a Zstandard archive", Unpack),
        Of("BZh", "a bzip2 archive", Unpack),
        Of("ustar", "a tar archive", Unpack, at: 257),
        Of("%PDF", "a PDF document", "not weights."),
    ];

    /// <summary>A sentence about a file that is of another kind; null for one that may be weights.</summary>
    public static string? Describe(ByteSource source)
    {
        if (source.Length == 0) return "is empty (0 bytes): a download or a copy that failed. Fetch it again.";
        byte[] start = new byte[(int)Math.Min(Looked, source.Length)];
        source.Read(0, start);
        foreach (var (at, bytes, what, remedy) in Kinds)
            if (start.AsSpan(Math.Min(at, start.Length)).StartsWith(bytes)) return $"is {what}, {remedy}";
        if (start.AsSpan().StartsWith("BM"u8) && start.Length > 14 && BitConverter.ToUInt32(start, 2) == source.Length) return "is a BMP picture, " + Picture;
        return TextOf(start) is { } text ? DescribeText(text, source.Length) : null;
    }

    private static string DescribeText(string text, long length)
    {
        if (text.StartsWith("version https://git-lfs", StringComparison.Ordinal))
            return $"is a Git LFS pointer of {length} bytes, which stands for a file{(LfsSize().Match(text) is { Success: true } size ? $" of {size.Groups[1].Value} bytes" : "")}: the weights themselves were not fetched. Run 'git lfs pull' in its folder.";
        string lower = text.TrimStart().ToLowerInvariant();
        if (lower.StartsWith("<!doctype html", StringComparison.Ordinal) || lower.StartsWith("<html", StringComparison.Ordinal))
            return $"is an HTML page saved as weights{(HtmlTitle().Match(text) is { Success: true } title ? $" ({CheckpointException.Quote(title.Groups[1].Value.Trim())})" : "")}: the address led to a page, not to the file; it may want a login or an accepted licence. Fetch the file itself.";
        if (lower.StartsWith("<?xml", StringComparison.Ordinal) || lower.StartsWith("<error", StringComparison.Ordinal)) return "is an XML text, as servers send in place of a file that they refuse. Fetch the file itself.";
        if (lower.StartsWith('{') || lower.StartsWith('[')) return "is a JSON text, not weights. If it is the config.json of a model's folder, give the folder; if a server's answer, fetch the file itself.";
        return $"is a text that begins with {CheckpointException.Quote(text.Trim().Split('\n')[0].TrimEnd())}, not weights.";
    }

    // Text, if all of it is; the last character may be cut.
    private static string? TextOf(byte[] start)
    {
        string text = Encoding.UTF8.GetString(start).TrimStart('\ufeff').TrimEnd('\ufffd');
        return text.Length > 0 && text.All(c => c is not '\ufffd' && (!char.IsControl(c) || c is '\n' or '\r' or '\t')) ? text : null;
    }

    private static (int At, byte[] Bytes, string What, string Remedy) Of(string start, string what, string remedy, int at = 0) => (at, Encoding.Latin1.GetBytes(start), what, remedy);

    [GeneratedRegex("^size ([0-9]{1,18})$", RegexOptions.Multiline)]
    private static partial Regex LfsSize();

    [GeneratedRegex("<title[^>]*>([^<]{1,100})", RegexOptions.IgnoreCase)]
    private static partial Regex HtmlTitle();
}
