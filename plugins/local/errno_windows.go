package local

import (
	"golang.org/x/sys/windows"

	"github.com/hyperexport/hyperexport/pkg/backend"
)

var errnoKinds = []errnoKind{
	{windows.ERROR_FILE_NOT_FOUND, backend.NotFound},
	{windows.ERROR_PATH_NOT_FOUND, backend.NotFound},
	{windows.ERROR_DIRECTORY, backend.NotFound},
	{windows.ERROR_FILE_EXISTS, backend.Exists},
	{windows.ERROR_ALREADY_EXISTS, backend.Exists},
	{windows.ERROR_DISK_FULL, backend.Full},
	{windows.ERROR_HANDLE_DISK_FULL, backend.Full},
	{windows.ERROR_ACCESS_DENIED, backend.Forbidden},
	{windows.ERROR_WRITE_PROTECT, backend.Forbidden},
	{windows.ERROR_INVALID_NAME, backend.Invalid},
	{windows.ERROR_FILENAME_EXCED_RANGE, backend.Invalid},
	{windows.ERROR_INVALID_PARAMETER, backend.Invalid},
	{windows.ERROR_FILE_TOO_LARGE, backend.Invalid},
	{windows.ERROR_NOT_SUPPORTED, backend.Unsupported},
	{windows.ERROR_TOO_MANY_OPEN_FILES, backend.Busy},
	{windows.ERROR_SHARING_VIOLATION, backend.Busy},
	{windows.ERROR_LOCK_VIOLATION, backend.Busy},
}
