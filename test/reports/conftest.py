from recorded_drive import drive, frames

__all__ = ["drive", "frames"]
