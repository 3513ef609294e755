using System.Text;

namespace NativeDiffusion.Pictures;

/// <summary>What a file is by its first bytes, whatever its name says.</summary>
internal static class PictureKind
{
    /// <summary>How many bytes are enough to tell.</summary>
    public const int Lead = 64;

    private static readonly string[] ReadEndings = [".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".dib"];

    // Of these people expect a word when they are not read.
    private static readonly string[] OtherEndings = [".heic", ".heif", ".avif", ".tif", ".tiff", ".jp2", ".jxl", ".svg", ".dng", ".cr2", ".nef", ".arw", ".psd"];

    /// <summary>Whether a file's name says that it is a picture.</summary>
    public static bool IsPictureName(string path)
    {
        string ending = Path.GetExtension(path).ToLowerInvariant();
        return ReadEndings.Contains(ending) || OtherEndings.Contains(ending);
    }

    /// <summary>Whether the bytes begin as those of a picture that is read here.</summary>
    public static bool IsRead(ReadOnlySpan<byte> start) => Of(start) is "JPEG" or "PNG" or "WebP" or "GIF" or "BMP";

    /// <summary>Whether a name's ending is one of the kind that the bytes are.</summary>
    public static bool Fits(string kind, string path) => Path.GetExtension(path).ToLowerInvariant() switch
    {
        ".jpg" or ".jpeg" or ".jpe" or ".jfif" => kind == "JPEG",
        ".png" => kind == "PNG",
        ".webp" => kind == "WebP",
        ".gif" => kind == "GIF",
        ".bmp" or ".dib" => kind == "BMP",
        ".heic" or ".heif" => kind == "HEIC",
        ".avif" => kind == "AVIF",
        ".tif" or ".tiff" => kind == "TIFF",
        _ => true,
    };

    /// <summary>The kind in a word or two; null for none that is known.</summary>
    public static string? Of(ReadOnlySpan<byte> start)
    {
        if (start.IsEmpty) return "empty file";
        if (start.StartsWith((ReadOnlySpan<byte>)[0xff, 0xd8, 0xff])) return "JPEG";
        if (start.StartsWith((ReadOnlySpan<byte>)[0x89, (byte)'P', (byte)'N', (byte)'G'])) return "PNG";
        if (start.Length >= 12 && start.StartsWith("RIFF"u8) && start[8..12].SequenceEqual("WEBP"u8)) return "WebP";
        if (start.StartsWith("GIF8"u8)) return "GIF";
        if (start.StartsWith("BM"u8)) return "BMP";
        if (start.StartsWith("II*\0"u8) || start.StartsWith("MM\0*"u8)) return "TIFF";
        if (start.Length >= 12 && start[4..8].SequenceEqual("ftyp"u8)) return Brand(start[8..12]);
        if (start.StartsWith("\0\0\0\fJXL "u8) || start.StartsWith((ReadOnlySpan<byte>)[0xff, 0x0a])) return "JPEG XL";
        if (start.StartsWith("\0\0\0\fjP  "u8)) return "JPEG 2000";
        if (start.StartsWith("8BPS"u8)) return "Photoshop file";
        if (start.StartsWith("%PDF"u8)) return "PDF";
        if (start.StartsWith("PK\x03\x04"u8)) return "zip archive";
        if (start.StartsWith((ReadOnlySpan<byte>)[0x1f, 0x8b])) return "gzip archive";
        if (start.StartsWith("PAR1"u8)) return "Parquet file";
        return OfText(start);
    }

    private static string Brand(ReadOnlySpan<byte> brand) =>
        brand.SequenceEqual("avif"u8) || brand.SequenceEqual("avis"u8) ? "AVIF"
        : brand.StartsWith("hei"u8) || brand.StartsWith("hev"u8) || brand.SequenceEqual("mif1"u8) || brand.SequenceEqual("msf1"u8) ? "HEIC"
        : "video or other media file";

    private static string? OfText(ReadOnlySpan<byte> start)
    {
        foreach (byte b in start)
            if (b is < 9 or (> 13 and < 32)) return null;
        string text = Encoding.UTF8.GetString(start).TrimStart('\uFEFF').TrimStart();
        return text.StartsWith("version https://git-lfs", StringComparison.Ordinal) ? "Git LFS pointer, not the file itself"
            : text.StartsWith("<svg", StringComparison.OrdinalIgnoreCase) || (text.StartsWith("<?xml", StringComparison.Ordinal) && text.Contains("svg", StringComparison.OrdinalIgnoreCase)) ? "SVG drawing"
            : text.StartsWith("<!doctype", StringComparison.OrdinalIgnoreCase) || text.StartsWith("<html", StringComparison.OrdinalIgnoreCase) || text.StartsWith("<head", StringComparison.OrdinalIgnoreCase) ? "web page"
            : "text file";
    }
}
