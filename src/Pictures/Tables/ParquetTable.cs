using Parquet;
using Parquet.Data;
using Parquet.Schema;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Pictures;

/// <summary>
/// One Parquet file. Values are read with their definition levels, which say of each row whether it has one: the package's shorter ways leave nulls of a structure's
/// members out, so that all values behind them belong to other rows.
/// </summary>
internal sealed class ParquetTable : IDisposable
{
    private readonly ParquetReader _reader;

    public ParquetTable(string path)
    {
        Path = path;
        _reader = Try(() => ParquetReader.CreateAsync(path).GetAwaiter().GetResult());
        Rows = checked((int)Enumerable.Range(0, Groups).Sum(group =>
        {
            using var rows = _reader.OpenRowGroupReader(group);
            return rows.RowCount;
        }));
    }

    public string Path { get; }

    public int Groups => _reader.RowGroupCount;

    public int Rows { get; }

    public IReadOnlyDictionary<string, string> Metadata => _reader.CustomMetadata;

    public IReadOnlyList<DataField> Columns => _reader.Schema.GetDataFields();

    /// <summary>The bytes of each row of a group; null where there are none.</summary>
    public byte[]?[] ReadBytes(int group, string column) => Read<ReadOnlyMemory<byte>, byte[]?>(group, column, value => value.ToArray(), null);

    /// <summary>The texts of each row of a group; null where there is none.</summary>
    public string?[] ReadTexts(int group, string column) => Read<ReadOnlyMemory<char>, string?>(group, column, value => value.ToString(), null);

    /// <summary>The whole numbers of each row of a group; -1 where there is none.</summary>
    public int[] ReadNumbers(int group, string column)
    {
        var type = Field(column).ClrType;
        return type == typeof(long) ? Read<long, int>(group, column, value => value is >= 0 and <= int.MaxValue ? (int)value : -1, -1)
            : type == typeof(int) ? Read<int, int>(group, column, value => value, -1)
            : type == typeof(short) ? Read<short, int>(group, column, value => value, -1)
            : type == typeof(sbyte) ? Read<sbyte, int>(group, column, value => value, -1)
            : type == typeof(byte) ? Read<byte, int>(group, column, value => value, -1)
            : type == typeof(bool) ? Read<bool, int>(group, column, value => value ? 1 : 0, -1)
            : throw new InvalidDataException($"'{Path}': the column '{column}' is of {type.Name}; labels are whole numbers or texts.");
    }

    public DataField Field(string column) => Columns.FirstOrDefault(field => field.Path.ToString() == column)
        ?? throw new InvalidDataException($"'{Path}' has no column '{column}'; it has: {string.Join(", ", Columns.Select(field => field.Path))}.");

    public void Dispose() => _reader.DisposeAsync().AsTask().GetAwaiter().GetResult();

    private TResult[] Read<T, TResult>(int group, string column, Func<T, TResult> convert, TResult missing)
        where T : struct
    {
        var field = Field(column);
        return Try(() =>
        {
            using var rows = _reader.OpenRowGroupReader(group);
            using var data = rows.ReadRawColumnDataBaseAsync(field).GetAwaiter().GetResult();
            if (data is not RawColumnData<T> typed || field.MaxRepetitionLevel > 0)
                throw new InvalidDataException($"'{Path}': the column '{column}' is of {field.ClrType.Name}{(field.MaxRepetitionLevel > 0 ? " lists" : "")}, which are not read here.");
            var result = new TResult[checked((int)rows.RowCount)];
            var values = typed.Values;
            var levels = typed.DefinitionLevels;
            int next = 0;
            for (int row = 0; row < result.Length; row++) result[row] = levels.Length == 0 || levels[row] == field.MaxDefinitionLevel ? convert(values[next++]) : missing;
            return result;
        });
    }

    // The package tells of damaged files by exceptions of many kinds.
    private T Try<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is not (InvalidDataException or FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException or OutOfMemoryException))
        {
            throw new InvalidDataException($"'{Path}' cannot be read: it is {Kind()}. ({e.Message.TrimEnd('.')})", e);
        }
    }

    private string Kind()
    {
        using var file = InputFile.Open(Path);
        byte[] start = new byte[PictureKind.Lead];
        string? kind = PictureKind.Of(start.AsSpan(0, file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)));
        return kind is "Parquet file" ? "a Parquet file that is damaged or truncated" : kind is null ? "no Parquet file" : $"{(kind == "empty file" ? "an" : "a")} {kind}, no Parquet file";
    }
}
