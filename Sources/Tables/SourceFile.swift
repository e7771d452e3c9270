public import FeatureEngine
public import FeatureLanguage

extension TableReader.Schema {
    /// The rows of a source as an import reads them.
    ///
    /// - Parameter keys: the columns in which features look up their keys; they and what the settings name can't be
    ///   left out.
    public init(importing source: Source, keys: Set<String>) {
        var present = keys.union(source.requiredColumns)
        if let tombstone = source.tombstone { present.insert(tombstone) }
        if case .column(let column) = source.knownAt { present.insert(column) }
        self.init(
            source.columns, present: present, notNull: Set(source.requiredColumns),
            optional: source.isStatic ? [] : [ColumnDefinition(Source.knownAtColumn, .timestamp)])
    }

    /// The rows of a source as a push brings them: what the store can't do without.
    public init(pushing source: Source, keys: Set<String>) {
        self.init(source.columns, present: keys.union(source.requiredColumns), notNull: Set(source.requiredColumns))
    }
}

extension TableReader {
    /// Opens a file of a source's rows, its layout by its name.
    ///
    /// - Parameter observe: hears of every byte of the file, as it is read.
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
    /// Opens a spine, its layout by its name.
    public init(path: String, plan: Plan, timestamp: String, options: ReadOptions) throws(TableError) {
        let format = try FileFormat(path: path)
        try self.init(
            ByteReader(path: path, compression: format.compression), layout: format.layout, name: path, plan: plan,
            timestamp: timestamp, options: options)
    }
}
