"""What a person or a pipe sees: functions of data that end in bytes on a stream."""
