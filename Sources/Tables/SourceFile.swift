public import FeatureEngine
public import FeatureLanguage

extension TableReader.Schema {
    /// The rows of a source as an import reads them.
    ///
    /// - Parameter keys: the columns in which features look up their keys; neither they nor the columns that the
    ///   source's settings name may be missing.
    public init(importing source: Source, keys: Set<String>) {
        var present = keys.union(source.requiredColumns)
        if let tombstone = source.tombstone { present.insert(tombstone) }
        if case .column(let column) = source.knownAt { present.insert(column) }
        self.init(
            source.columns, present: present, notNull: Set(source.requiredColumns),
            optional: source.isStatic ? [] : [ColumnDefinition(Source.knownAtColumn, .timestamp)])
    }

    /// The rows of a source as a push brings them: only what the store can't do without must be there.
    public init(pushing source: Source, keys: Set<String>) {
        self.init(source.columns, present: keys.union(source.requiredColumns), notNull: Set(source.requiredColumns))
    }
}

extension TableReader {
    /// Opens a file of a source's rows; its name says the layout.
    ///
    /// - Parameter observe: receives every byte of the file as it is read, before decompression.
    public init(path: String, schema: Schema, options: ReadOptions, observe: @escaping ([UInt8]) -> Void = { _ in })
        throws(TableError)
    {
        let format = try FileFormat(path: path)
        try self.init(
            ByteReader(path: path, compression: format.compression, observe: observe), layout: format.layout,
            name: path, schema: schema, options: options)
    }
}

extension SpineFile {
    /// Opens a spine; its name says the layout.
    public init(path: String, plan: Plan, timestamp: String, options: ReadOptions) throws(TableError) {
        let format = try FileFormat(path: path)
        try self.init(
            ByteReader(path: path, compression: format.compression), layout: format.layout, name: path, plan: plan,
            timestamp: timestamp, options: options)
    }
}
