using System.Runtime.InteropServices;
using NativeDiffusion.Runtime;
using NativeDiffusion.Model.Images;
using SkiaSharp;

namespace NativeDiffusion.Pictures;

/// <summary>
/// Reads pictures: JPEG, PNG, WebP, GIF (its first frame) and BMP, of every kind that these formats have, by SkiaSharp. What a file is follows from its bytes, not from its
/// name. The result is 8-bit grey or RGB in sRGB, turned as its EXIF orientation says, with transparency composited over white. A picture that the format stores as
/// greys, or a palette of greys, gives grey; samples of 16 bits lose their lower byte.
/// </summary>
public static class PictureReader
{
    private const long MaxFileBytes = 1 << 30;

    // Decoded and as a picture; and what may be made of a byte of a file. Photographs in JPEG are up to 30 times larger decoded.
    private const int BytesPerPixel = 4 + 3, FreeBytes = 64 << 20, MostOfJpeg = 64, MostOfOthers = 16;
    private const byte PngGrey = 0, PngPalette = 3, PngGreyAlpha = 4;

    /// <summary>Reads one file.</summary>
    /// <exception cref="InvalidDataException">It is no picture that is read here, is damaged or truncated, or too large (see <see cref="Image"/>); the message says what it is.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    public static Image Read(string path)
    {
        long length = new FileInfo(path) is { Exists: true } info ? info.Length : 0;
        if (length > MaxFileBytes) throw new InvalidDataException($"'{path}' has {length} bytes; pictures are read up to {MaxFileBytes} bytes.");
        return Decode(InputFile.ReadAllBytes(path), path);
    }

    /// <summary>Decodes the bytes of a whole file.</summary>
    /// <param name="file">All bytes.</param>
    /// <param name="name">How to call the file in an error.</param>
    /// <exception cref="InvalidDataException">They are no picture that is read here, are damaged or truncated, or hold too large a one; the message says what they are.</exception>
    public static unsafe Image Decode(ReadOnlySpan<byte> file, string name)
    {
        string? kind = PictureKind.Of(file[..Math.Min(file.Length, PictureKind.Lead)]);
        if (!PictureKind.IsRead(file)) throw new InvalidDataException(NotRead(name, kind));
        string called = Article(kind!) + (PictureKind.Fits(kind!, name) ? "" : $" named {Path.GetExtension(name)}");
        fixed (byte* bytes = file)
        {
            using var data = SKData.Create((nint)bytes, file.Length);
            using var codec = SKCodec.Create(data);
            if (codec is null) throw new InvalidDataException($"'{name}' cannot be read: it is {called} whose header is damaged or cut off. Replace it by a whole copy.");
            var size = codec.Info;
            if (size.Width > Image.MaxSide || size.Height > Image.MaxSide || (long)size.Width * size.Height > Image.MaxPixels)
                throw new InvalidDataException(
                    $"'{name}' cannot be read: it is {called} of {size.Width} x {size.Height} pixels, more than the limit of {Image.MaxSide} per side and {Image.MaxPixels} in all. Make it smaller.");
            RequireBounded(name, called, kind!, size, file.Length);
            // Unpremultiplied: colours under transparency would be rounded away otherwise.
            var info = new SKImageInfo(size.Width, size.Height, SKColorType.Rgba8888, SKAlphaType.Unpremul, HasProfile(codec, file) ? SKColorSpace.CreateSrgb() : null);
            byte* pixels = (byte*)NativeMemory.AllocZeroed((nuint)info.BytesSize64);
            try
            {
                // A truncated file decodes as far as it goes; only the result tells.
                var result = codec.GetPixels(info, (nint)pixels);
                if (result != SKCodecResult.Success || !WholeFile.HasEnd(file, kind!)) throw new InvalidDataException($"'{name}' cannot be read: it is {called} that is {Problem(result, WholeFile.HasEnd(file, kind!))}. Replace it by a whole copy.");
                return PicturePixels.Upright(pixels, size.Width, size.Height, codec.EncodedOrigin, IsGrey(codec, file, pixels));
            }
            finally
            {
                NativeMemory.Free(pixels);
            }
        }
    }

    // A file of some kilobytes can say pixels of gigabytes, one colour all over; many are decoded at once.
    private static void RequireBounded(string name, string called, string kind, SKImageInfo size, int fileBytes)
    {
        long needed = (long)size.Width * size.Height * BytesPerPixel, allowed = FreeBytes + (long)fileBytes * (kind == "JPEG" ? MostOfJpeg : MostOfOthers);
        if (needed > allowed)
            throw new InvalidDataException(
                $"'{name}' cannot be read: it is {called} of {size.Width} x {size.Height} pixels in only {fileBytes} bytes, and decoding it would take {needed >> 20} MB. Make it smaller.");
    }

    private static unsafe bool IsGrey(SKCodec codec, ReadOnlySpan<byte> file, byte* pixels)
    {
        const int pngColourType = 25;
        if (codec.EncodedFormat != SKEncodedImageFormat.Png) return codec.Info.ColorType == SKColorType.Gray8;
        return file[pngColourType] is PngGrey or PngGreyAlpha
            || (file[pngColourType] == PngPalette && PicturePixels.AreGreys(new ReadOnlySpan<byte>(pixels, checked(codec.Info.Width * codec.Info.Height * 4))));
    }

    private static string Problem(SKCodecResult result, bool hasEnd) => result switch
    {
        _ when !hasEnd => "truncated: its end is missing",
        SKCodecResult.IncompleteInput => "truncated: its end is missing",
        SKCodecResult.ErrorInInput or SKCodecResult.InvalidInput => "damaged",
        SKCodecResult.Unimplemented => "of a kind that is not supported",
        _ => $"not decoded ({result})",
    };

    // Without a profile, colours are taken as they stand.
    private static bool HasProfile(SKCodec codec, ReadOnlySpan<byte> file) =>
        codec.Info.ColorSpace is { IsSrgb: false } && (codec.EncodedFormat != SKEncodedImageFormat.Png || WholeFile.HasPngProfile(file));

    private static string NotRead(string name, string? kind)
    {
        string is_ = kind switch
        {
            null => $"{(Path.GetExtension(name) is { Length: > 0 } ending ? $"named {ending}, but " : "")}of no kind that is known",
            "empty file" => "empty (0 bytes)",
            _ => Article(kind) + (PictureKind.Fits(kind, name) && PictureKind.IsPictureName(name) ? "" : Path.GetExtension(name) is { Length: > 0 } ending ? $" named {ending}" : ""),
        };
        return $"'{name}' cannot be read: it is {is_}. Pictures are read as JPEG, PNG, WebP, GIF and BMP"
            + (kind is "HEIC" or "AVIF" or "TIFF" or "JPEG XL" or "JPEG 2000" or "Photoshop file" ? "; convert it to one of them." : ".");
    }

    private static string Article(string kind) => (kind is "AVIF" or "SVG drawing" or "HEIC" or "MP4" ? kind == "HEIC" ? "a " : "an " : "a ") + kind;
}
