// The floors that the store stands on: whoever imports FeatureStore has their public types, which its API is made of.
@_exported public import ServingMemory
@_exported public import StoreRecord
@_exported public import StoreRows
