using NativeDiffusion.Pictures;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Pictures.Folders;

public sealed class ClassFolderNameTests
{
    [Test]
    public void NamesAreOneToOneSafeAndReadBack()
    {
        string[] names =
        [
            "cat", "cat.", "a:b", "a_b", "a/b", "a%3Ab", "..", ".x", "x", "Dog", "dog", "\u00e9", "e\u0301", "", new('n', 300), new string('n', 299) + "m", "dog~9", "a\\b", "CON", "\0",
        ];
        var files = ClassFolderName.Of([.. names.Select((name, label) => (name, label))]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(files.Select(f => f.ToUpperInvariant()), Is.Unique);
            Assert.That(files, Has.All.Match("^([A-Za-z0-9_+,() -]|%[0-9A-F]{2})?([A-Za-z0-9._+,() -]|%[0-9A-F]{2})*(~[0-9]+)?$"));
            Assert.That(files.Select(f => f.Length), Has.All.LessThan(140));
            Assert.That(files.Take(4), Is.EqualTo(new[] { "cat", "cat.", "a%3Ab", "a_b" }));
            foreach (int i in Enumerable.Range(0, names.Length).Where(i => !files[i].Contains('~')))
                Assert.That(ClassFolderName.Read(files[i]), Is.EqualTo(names[i]), "read back");
        }
    }

    [TestCase("50%20off")]
    [TestCase("100%")]
    [TestCase("caf\u00e9")]
    [TestCase("%e9")]
    public void NamesThatNobodyEscapedStay(string name) => Assert.That(ClassFolderName.Read(name), Is.EqualTo(name));
}
