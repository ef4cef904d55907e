"""Wire strings of LLB: capabilities, source attributes and descriptions, each with its Go name.

Source: ``solver/pb/caps.go``, ``solver/pb/attr.go``, ``client/llb/state.go``.
"""

from __future__ import annotations

CAP_SOURCE_IMAGE = "source.image"  # CapSourceImage
CAP_SOURCE_IMAGE_RESOLVE_MODE = "source.image.resolvemode"  # CapSourceImageResolveMode
CAP_SOURCE_IMAGE_LAYER_LIMIT = "source.image.layerlimit"  # CapSourceImageLayerLimit
CAP_SOURCE_IMAGE_CHECKSUM = "source.image.checksum"  # CapSourceImageChecksum

CAP_SOURCE_LOCAL = "source.local"  # CapSourceLocal
CAP_SOURCE_LOCAL_UNIQUE = "source.local.unique"  # CapSourceLocalUnique
CAP_SOURCE_LOCAL_SESSION_ID = "source.local.sessionid"  # CapSourceLocalSessionID
CAP_SOURCE_LOCAL_INCLUDE_PATTERNS = "source.local.includepatterns"  # CapSourceLocalIncludePatterns
CAP_SOURCE_LOCAL_FOLLOW_PATHS = "source.local.followpaths"  # CapSourceLocalFollowPaths
CAP_SOURCE_LOCAL_EXCLUDE_PATTERNS = "source.local.excludepatterns"  # CapSourceLocalExcludePatterns
CAP_SOURCE_LOCAL_SHARED_KEY_HINT = "source.local.sharedkeyhint"  # CapSourceLocalSharedKeyHint
CAP_SOURCE_LOCAL_DIFFER = "source.local.differ"  # CapSourceLocalDiffer

CAP_SOURCE_GIT = "source.git"  # CapSourceGit
CAP_SOURCE_GIT_KEEP_DIR = "source.git.keepgitdir"  # CapSourceGitKeepDir
CAP_SOURCE_GIT_FULL_URL = "source.git.fullurl"  # CapSourceGitFullURL
CAP_SOURCE_GIT_HTTP_AUTH = "source.git.httpauth"  # CapSourceGitHTTPAuth
CAP_SOURCE_GIT_KNOWN_SSH_HOSTS = "source.git.knownsshhosts"  # CapSourceGitKnownSSHHosts
CAP_SOURCE_GIT_MOUNT_SSH_SOCK = "source.git.mountsshsock"  # CapSourceGitMountSSHSock
CAP_SOURCE_GIT_CHECKSUM = "source.git.checksum"  # CapSourceGitChecksum
CAP_SOURCE_GIT_SKIP_SUBMODULES = "source.git.skipsubmodules"  # CapSourceGitSkipSubmodules

CAP_SOURCE_HTTP = "source.http"  # CapSourceHTTP
CAP_SOURCE_HTTP_AUTH = "source.http.auth"  # CapSourceHTTPAuth
CAP_SOURCE_HTTP_CHECKSUM = "source.http.checksum"  # CapSourceHTTPChecksum
CAP_SOURCE_HTTP_HEADER = "source.http.header"  # CapSourceHTTPHeader
CAP_SOURCE_HTTP_PERM = "source.http.perm"  # CapSourceHTTPPerm
CAP_SOURCE_HTTP_UID_GID = "soruce.http.uidgid"  # CapSourceHTTPUIDGID, misspelt upstream

CAP_SOURCE_OCI_LAYOUT = "source.ocilayout"  # CapSourceOCILayout

CAP_EXEC_META_BASE = "exec.meta.base"  # CapExecMetaBase
CAP_EXEC_META_CDI = "exec.meta.cdi"  # CapExecMetaCDI
CAP_EXEC_META_NETWORK = "exec.meta.network"  # CapExecMetaNetwork
CAP_EXEC_META_PROXY = "exec.meta.proxyenv"  # CapExecMetaProxy
CAP_EXEC_META_SECURITY = "exec.meta.security"  # CapExecMetaSecurity
CAP_EXEC_META_ULIMIT = "exec.meta.ulimit"  # CapExecMetaUlimit
CAP_EXEC_MOUNT_BIND = "exec.mount.bind"  # CapExecMountBind
CAP_EXEC_MOUNT_CACHE = "exec.mount.cache"  # CapExecMountCache
CAP_EXEC_MOUNT_CACHE_SHARING = "exec.mount.cache.sharing"  # CapExecMountCacheSharing
CAP_EXEC_MOUNT_CONTENT_CACHE = "exec.mount.cache.content"  # CapExecMountContentCache
CAP_EXEC_MOUNT_SECRET = "exec.mount.secret"  # noqa: S105  # CapExecMountSecret
CAP_EXEC_MOUNT_SELECTOR = "exec.mount.selector"  # CapExecMountSelector
CAP_EXEC_MOUNT_SSH = "exec.mount.ssh"  # CapExecMountSSH
CAP_EXEC_MOUNT_TMPFS = "exec.mount.tmpfs"  # CapExecMountTmpfs
CAP_EXEC_MOUNT_TMPFS_SIZE = "exec.mount.tmpfs.size"  # CapExecMountTmpfsSize
CAP_EXEC_SECRET_ENV = "exec.secretenv"  # noqa: S105  # CapExecSecretEnv
CAP_EXEC_VALID_EXIT_CODE = "exec.validexitcode"  # CapExecValidExitCode

CAP_FILE_BASE = "file.base"  # CapFileBase
CAP_FILE_COPY_ALWAYS_REPLACE = (
    "file.copy.alwaysreplaceexistingdestpaths"  # CapFileCopyAlwaysReplaceExistingDestPaths
)
CAP_FILE_COPY_PATTERNS = "file.copy.includeexcludepatterns"  # CapFileCopyIncludeExcludePatterns
CAP_FILE_COPY_REQUIRED_PATHS = "file.copy.requiredpaths"  # CapFileCopyRequiredPaths
CAP_FILE_RM_WILDCARD = "file.rm.wildcard"  # CapFileRmWildcard
CAP_FILE_SYMLINK_CREATE = "file.symlink.create"  # CapFileSymlinkCreate

CAP_MERGE_OP = "mergeop"  # CapMergeOp
CAP_DIFF_OP = "diffop"  # CapDiffOp

CAP_CONSTRAINTS = "constraints"  # CapConstraints
CAP_PLATFORM = "platform"  # CapPlatform
CAP_META_DESCRIPTION = "meta.description"  # CapMetaDescription
CAP_META_IGNORE_CACHE = "meta.ignorecache"  # CapMetaIgnoreCache

ATTR_IMAGE_RESOLVE_MODE = "image.resolvemode"  # AttrImageResolveMode
ATTR_IMAGE_LAYER_LIMIT = "image.layerlimit"  # AttrImageLayerLimit
ATTR_IMAGE_RECORD_TYPE = "image.recordtype"  # AttrImageRecordType
ATTR_IMAGE_CHECKSUM = "image.checksum"  # AttrImageChecksum

ATTR_LOCAL_SESSION_ID = "local.session"  # AttrLocalSessionID
ATTR_LOCAL_UNIQUE_ID = "local.unique"  # AttrLocalUniqueID
ATTR_LOCAL_INCLUDE_PATTERNS = "local.includepattern"  # AttrIncludePatterns
ATTR_LOCAL_FOLLOW_PATHS = "local.followpaths"  # AttrFollowPaths
ATTR_LOCAL_EXCLUDE_PATTERNS = "local.excludepatterns"  # AttrExcludePatterns
ATTR_LOCAL_SHARED_KEY_HINT = "local.sharedkeyhint"  # AttrSharedKeyHint
ATTR_LOCAL_DIFFER = "local.differ"  # AttrLocalDiffer

ATTR_GIT_KEEP_DIR = "git.keepgitdir"  # AttrKeepGitDir
ATTR_GIT_FULL_URL = "git.fullurl"  # AttrFullRemoteURL
ATTR_GIT_AUTH_HEADER_SECRET = "git.authheadersecret"  # noqa: S105  # AttrAuthHeaderSecret
ATTR_GIT_AUTH_TOKEN_SECRET = "git.authtokensecret"  # noqa: S105  # AttrAuthTokenSecret
ATTR_GIT_KNOWN_SSH_HOSTS = "git.knownsshhosts"  # AttrKnownSSHHosts
ATTR_GIT_MOUNT_SSH_SOCK = "git.mountsshsock"  # AttrMountSSHSock
ATTR_GIT_CHECKSUM = "git.checksum"  # AttrGitChecksum
ATTR_GIT_SKIP_SUBMODULES = "git.skipsubmodules"  # AttrGitSkipSubmodules

ATTR_HTTP_CHECKSUM = "http.checksum"  # AttrHTTPChecksum
ATTR_HTTP_FILENAME = "http.filename"  # AttrHTTPFilename
ATTR_HTTP_PERM = "http.perm"  # AttrHTTPPerm
ATTR_HTTP_UID = "http.uid"  # AttrHTTPUID
ATTR_HTTP_GID = "http.gid"  # AttrHTTPGID
ATTR_HTTP_AUTH_HEADER_SECRET = "http.authheadersecret"  # noqa: S105  # AttrHTTPAuthHeaderSecret
ATTR_HTTP_ACCEPT = "http.header.accept"  # AttrHTTPHeaderPrefix
ATTR_HTTP_USER_AGENT = "http.header.user-agent"  # AttrHTTPHeaderPrefix

ATTR_OCI_LAYOUT_SESSION_ID = "oci.session"  # AttrOCILayoutSessionID
ATTR_OCI_LAYOUT_STORE_ID = "oci.store"  # AttrOCILayoutStoreID
ATTR_OCI_LAYOUT_LAYER_LIMIT = "oci.layerlimit"  # AttrOCILayoutLayerLimit

DESCRIPTION_NAME = "llb.customname"  # WithCustomName
DEFAULT_GIT_AUTH_HEADER = "GIT_AUTH_HEADER"  # GitAuthHeaderKey
DEFAULT_GIT_AUTH_TOKEN = "GIT_AUTH_TOKEN"  # noqa: S105  # GitAuthTokenKey

EMPTY_INPUT = -1  # pb.Empty: a mount or action with nothing below it
NO_OUTPUT = -1  # pb.SkipOutput: a mount or action whose result is thrown away
