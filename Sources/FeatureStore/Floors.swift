// The floors that the store stands on: importing FeatureStore brings in their public types, which its API is made of.
@_exported public import ServingMemory
@_exported public import StoreRecord
@_exported public import StoreRows
