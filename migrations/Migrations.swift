public enum Warm {}
