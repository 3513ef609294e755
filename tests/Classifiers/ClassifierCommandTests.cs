using System.Text.Json;
using NativeDiffusion.Cli;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Pictures;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Classifiers;

public sealed class ClassifierCommandTests
{
    private const int Size = 8;

    private string _folder = null!, _model = null!;

    [OneTimeSetUp]
    public void TrainOnAFolder()
    {
        _folder = Directory.CreateTempSubdirectory("nd-classify-").FullName;
        _model = Path.Combine(_folder, "c.safetensors");
        SaveStrokes("train", 24);
        SaveStrokes("other", 5);
        var (code, output, error) = Run(
            "train-classifier", "--folder", Path.Combine(_folder, "train"), "--out", _model, "--epochs", "12", "--batch", "8", "--lr", "0.005",
            "--width", "8", "--levels", "2", "--threads", "1", "--json");
        Assert.That(code, Is.Zero, error);
        var report = JsonDocument.Parse(output).RootElement;
        Assert.That(report.GetProperty("images").GetInt32(), Is.EqualTo(48));
        Assert.That(report.GetProperty("test_accuracy").ValueKind, Is.EqualTo(JsonValueKind.Null));
        Assert.That(report.GetProperty("last_epoch_loss").GetDouble(), Is.InRange(0, 0.2));
        Assert.That(error, Does.Contain("epoch 12 of 12"));
    }

    [OneTimeTearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void ClassifiesAFolderOfClassesByName()
    {
        // The classifier knows "across" as class 0; the folder alone would count "down" as 0.
        string only = Path.Combine(_folder, "only");
        Directory.CreateDirectory(only);
        Directory.CreateSymbolicLink(Path.Combine(only, "down"), Path.Combine(_folder, "other", "down"));
        var report = Classify(only, "--per-image");
        Assert.That((report.GetProperty("images").GetInt32(), report.GetProperty("correct").GetInt32()), Is.EqualTo((5, 5)));
        Assert.That(report.GetProperty("accuracy").GetDouble(), Is.EqualTo(1));
        var classes = report.GetProperty("classes").EnumerateArray().ToArray();
        Assert.That(classes.Select(c => c.GetProperty("class").GetString()), Is.EqualTo(new[] { "across", "down" }));
        Assert.That(classes.Select(c => c.GetProperty("found").GetInt32()), Is.EqualTo(new[] { 0, 5 }));
        var image = report.GetProperty("per_image")[3];
        Assert.That(image.GetProperty("image").GetString(), Is.EqualTo(Path.Combine("down", "3.png")));
        Assert.That((image.GetProperty("class").GetString(), image.GetProperty("label").GetString()), Is.EqualTo(("down", "down")));
        Assert.That(image.GetProperty("probability").GetDouble(), Is.InRange(0.5, 1));
    }

    [Test]
    public void ClassifiesAFlatFolderWithoutAccuracy()
    {
        var report = Classify(Path.Combine(_folder, "other", "across"));
        Assert.That(report.GetProperty("correct").ValueKind, Is.EqualTo(JsonValueKind.Null));
        Assert.That(report.GetProperty("classes")[0].GetProperty("found").GetInt32(), Is.EqualTo(5));

        var (code, output, error) = Run("classify", Path.Combine(_folder, "other", "across"), "--model", _model, "--per-image");
        Assert.That(code, Is.Zero, error);
        Assert.That(output, Does.Contain("0.png\tacross\t").And.Contain("5 images").And.Not.Contain("agree"));
    }

    [Test]
    public void ClassifiesAnNpzFileAgainstItsLabels()
    {
        var images = PictureFolder.Open(Path.Combine(_folder, "other")).Load();
        // One wrong label of ten.
        int[] labels = [1, 0, 0, 0, 0, 1, 1, 1, 1, 1];
        string path = Path.Combine(_folder, "images.npz");
        NpzWriter.Write(path, new ImageDataset(Size, Size, 1, images.Pixels, labels, images.ClassNames));
        var report = Classify(path);
        Assert.That(report.GetProperty("correct").GetInt32(), Is.EqualTo(9));
        var (code, output, _) = Run("classify", path, "--model", _model);
        Assert.That(code, Is.Zero);
        Assert.That(output, Does.Contain("9 (90.00%) agree with their labels"));
    }

    [Test]
    public void WrongInputIsOneClearError()
    {
        string unknown = Path.Combine(_folder, "unknown");
        Directory.CreateDirectory(Path.Combine(unknown, "slanted"));
        PngWriter.Write(Path.Combine(unknown, "slanted", "0.png"), new Image(Size, Size, 1, new byte[Size * Size]));
        ExpectError(1, "slanted", "classify", unknown, "--model", _model);

        string large = Path.Combine(_folder, "large.npz");
        NpzWriter.Write(large, new ImageDataset(9, 8, 1, new byte[72], new int[1], ["0"]));
        ExpectError(1, "9x8", "classify", large, "--model", _model);
        NpzWriter.Write(large, new ImageDataset(8, 8, 1, new byte[64], new[] { 2 }, ["0", "1", "2"]));
        ExpectError(1, "label 2", "classify", large, "--model", _model);
        ExpectError(1, "absent.npz", "classify", Path.Combine(_folder, "absent.npz"), "--model", _model);
        ExpectError(1, "absent.safetensors", "classify", large, "--model", Path.Combine(_folder, "absent.safetensors"));
        ExpectError(2, "--labels", "train-classifier", "--images", "a.gz");
        ExpectError(2, "--test-labels", "train-classifier", "--test-images", "a.gz");
        ExpectError(2, "--folder", "train-classifier", "--images", "a.gz", "--labels", "b.gz", "--folder", _folder);
        ExpectError(2, "multiple of 8", "train-classifier", "--width", "12");
    }

    [Test]
    public void TheShippedClassifierRecognisesTestDigits()
    {
        // The quality checks take all 10,000.
        using var classifier = ImageClassifier.LoadShippedDigits();
        var digits = ShippedDigits.LoadTest().Subset(0, 1000);
        Assert.That(classifier.Classify(digits).CountCorrect(digits.Labels.Span), Is.GreaterThanOrEqualTo(985));
    }

    private JsonElement Classify(string input, params string[] more)
    {
        var (code, output, error) = Run(["classify", input, "--model", _model, "--json", "--threads", "1", .. more]);
        Assert.That(code, Is.Zero, error);
        return JsonDocument.Parse(output).RootElement;
    }

    private static void ExpectError(int expected, string message, params string[] args)
    {
        var (code, output, error) = Run(args);
        Assert.That((code, output), Is.EqualTo((expected, "")), error);
        Assert.That(error, Does.StartWith("error: ").And.Contain(message).And.Not.Contain("   at "));
    }

    private static (int Code, string Output, string Error) Run(params string[] args)
    {
        using StringWriter output = new(), error = new();
        int code = CliApplication.Run(args, output, error);
        return (code, output.ToString(), error.ToString());
    }

    private void SaveStrokes(string part, int count)
    {
        for (int i = 0; i < 2 * count; i++)
        {
            bool down = i >= count;
            byte[] pixels = new byte[Size * Size];
            for (int p = 0; p < pixels.Length; p++) pixels[p] = (byte)((down ? p % Size : p / Size) == 1 + i % (Size - 2) ? 255 - i : i + p % 7);
            string folder = Path.Combine(_folder, part, down ? "down" : "across");
            Directory.CreateDirectory(folder);
            PngWriter.Write(Path.Combine(folder, $"{i % count}.png"), new Image(Size, Size, 1, pixels));
        }
    }
}
